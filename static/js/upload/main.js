/** The upload page: from a choice of files to a sealed upload. */

import { Refused } from "./api.js";
import { continued, continueWith, openOne, uploadOf } from "./continued.js";
import { Stopped } from "./control.js";
import { $, showPanel } from "./dom.js";
import { withoutSystemFiles } from "./files.js";
import { sift, tooMany } from "./limits.js";
import { showPreflight } from "./preflight.js";
import { perFrame, Rate } from "./rate.js";
import { refusedGroups } from "./refused.js";
import { Run } from "./run.js";
import { bytes, count, duration, files as filesOf } from "./text.js";
import { guardPage, watchZone } from "./zone.js";
import { t, tn } from "../words.js";

const root = $("#uploader");
const detailOf = (key) => root.dataset.detail.replace("00000000-0000-0000-0000-000000000000", key);
const say = (text) => { $("[data-say]").textContent = text; };
let run = null;
let held = null; // a choice that may belong to an open upload, until a person says so

watchZone($("[data-zone]"), (chosen) => guarded(() => take(chosen)));
guardPage();
for (const one of document.querySelectorAll("[data-continue]")) {
  one.addEventListener("click", (event) => { event.preventDefault(); continueWith(uploadOf(one)); }); // before this script is here, its address does it
}
for (const button of document.querySelectorAll("[data-anew]")) button.addEventListener("click", () => continueWith(null));
$("[data-same-continue]").addEventListener("click", () => { continueWith(held.open); guarded(() => look(held.chosen)); });
$("[data-same-anew]").addEventListener("click", () => guarded(() => look(held.chosen)));
$("[data-yes-box]").addEventListener("change", ({ target }) => { $("[data-send]").disabled = !target.checked; });
$("[data-send]").addEventListener("click", () => guarded(send));
$("[data-discard]").addEventListener("click", () => guarded(async () => { await run.cancel(); location.assign(location.pathname); }));
for (const button of document.querySelectorAll("[data-stop]")) button.addEventListener("click", () => (run ? run.control.stop() : location.reload()));
$("[data-pause]").addEventListener("click", togglePause);
window.addEventListener("beforeunload", (event) => { if (run?.busy) event.preventDefault(); });
if (root.dataset.known) continueWith({ key: root.dataset.known, name: root.dataset.knownName });

/** Take a choice to where it belongs: to the continued upload, or to a new one unless an open one looks the same. */
async function take(promise) {
  run = null;
  $("[data-looking-files]").textContent = t("Finding the files…");
  $("[data-looking-bytes]").textContent = "";
  $("[data-looking-bar]").value = 0;
  showPanel("looking");
  const chosen = await promise;
  const open = continued() ? null : openOne(options(chosen));
  if (!open) return look(chosen);
  held = { chosen, open };
  for (const place of document.querySelectorAll("[data-same-name]")) place.textContent = open.name;
  return showPanel("same");
}

async function look(chosen) {
  const { kept, left } = withoutSystemFiles(chosen);
  const { kept: entries, left: unsendable, refused } = sift(kept, root.dataset);
  const problem = objection(kept, entries, [...unsendable.map((entry) => entry.left), ...refused]);
  if (problem) return object(problem);
  run = new Run(root.dataset.api, [...entries, ...unsendable], { options: options(entries), known: continued()?.key, refused, onTrouble: showTrouble });
  run.busy = true;
  showPanel("looking");
  const total = run.entries.length;
  const all = run.bytes;
  const show = perFrame(({ files, bytes: hashed }) => {
    $("[data-looking-bar]").value = all ? hashed / all : 1;
    $("[data-looking-files]").textContent = tn("{done} of {n} file", "{done} of {n} files", total, { done: count(files) });
    $("[data-looking-bytes]").textContent = t("{done} of {all}", { done: bytes(hashed), all: bytes(all) });
  });
  show({ files: 0, bytes: 0 });
  const preflight = await run.look((done) => show({ ...done }));
  $("[data-preflight-name]").textContent = folderOf(entries) || filesOf(entries.length);
  showPreflight($('[data-panel="preflight"]'), run, preflight, left);
  showPanel("preflight");
  run.busy = false;
  return say(t("The files were looked at. Read what will be sent, then send."));
}

/** Why nothing can come of a choice; nothing if something can. */
function objection(chosen, entries, refused) {
  const boxes = Array.from(document.querySelectorAll('[name="models"]'));
  if (!chosen.length) return t("There is no file in it.");
  if (!entries.length) return t("None of it can be sent. {why}", { why: `${refused[0].message} ${refused[0].what_to_do}` });
  if (boxes.length && !boxes.some((box) => box.checked) && !continued()) return t("Choose at least one model first.");
  return tooMany(chosen, root.dataset);
}

function object(problem) {
  const line = $("[data-choose-problem]");
  showPanel("choose");
  line.textContent = problem;
  line.hidden = false;
}

async function send() {
  run.busy = true;
  showPaused(false);
  showPanel("sending");
  const rate = new Rate();
  const total = run.toSend;
  const files = run.missing.length + run.zips.length;
  const show = perFrame((done) => {
    rate.add(done.bytes);
    $("[data-sending-bar]").value = total ? done.bytes / total : 1;
    $("[data-sending-files]").textContent = `${count(done.files)} / ${count(files)}`;
    $("[data-sending-bytes]").textContent = bytes(done.bytes);
    $("[data-sending-rate]").textContent = rate.perSecond ? bytes(rate.perSecond) : "–";
    $("[data-sending-left]").textContent = done.bytes < total ? duration(rate.remaining(total - done.bytes)) : "–";
  });
  const refused = await run.send((done) => show({ ...done }));
  run.busy = false;
  if (!refused.length) return location.assign(detailOf(run.key));
  $("[data-refused-list]").replaceChildren(...refusedGroups(refused, { open: true }));
  $("[data-refused-detail]").href = detailOf(run.key);
  return showPanel("refused");
}

/** A stop by the user is said like a failure: what arrived stays, and the upload can be continued. */
async function guarded(act) {
  try {
    await act();
  } catch (error) {
    if (run) run.busy = false;
    run?.control.stop(); // the other lanes end too
    showFailure(error, run?.key);
    if (!(error instanceof Stopped || error instanceof Refused)) throw error; // a fault of this page, for the console
  }
}

function showFailure(error, key) {
  const goesOn = key && error.code !== "upload_closed" && error.status !== 404;
  const again = $("[data-failed-continue]");
  $("[data-failed-message]").textContent = error instanceof Stopped ? t("You stopped it.") : error.message;
  for (const part of document.querySelectorAll("[data-failed-open]")) part.hidden = !goesOn;
  $("[data-failed-detail]").hidden = !key;
  if (key) $("[data-failed-detail]").href = detailOf(key);
  again.dataset.continue = key ?? "";
  again.dataset.name = continued()?.name || run?.options.name || again.dataset.unnamed;
  showPanel("failed");
}

const folderOf = ([first]) => (first?.path.includes("/") ? first.path.split("/")[0] : "");

function options(entries) {
  const form = new FormData($("[data-options]"));
  return {
    site: form.get("site"),
    name: form.get("name").trim() || folderOf(entries),
    models: form.getAll("models"),
    modality: form.get("modality"),
    priority: form.get("priority") ?? "normal",
    group_by: form.get("group_by"),
    corrects: form.get("corrects"),
  };
}

function showTrouble(trouble) {
  const text = trouble ? t("{why} Trying again in {time}.", { why: trouble.error.message, time: duration(trouble.wait / 1000) }) : "";
  for (const line of document.querySelectorAll("[data-trouble]")) line.textContent = text;
}

function togglePause() {
  const pause = !run.control.paused;
  if (pause) run.control.pause();
  else run.control.resume();
  showPaused(pause);
}

/** The button says what it will do; the title what is. */
function showPaused(paused) {
  for (const part of document.querySelectorAll("[data-paused]")) part.hidden = (part.dataset.paused === "yes") !== paused;
  $("[data-sending-title]").textContent = paused ? t("Paused") : t("Sending");
}
