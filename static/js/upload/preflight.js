/** The pre-flight: what will be sent, what will not and why, before a single file leaves. */

import { $, el } from "./dom.js";
import { refusedGroups } from "./refused.js";
import { bytes, count } from "./text.js";
import { t, tn } from "../words.js";

const KINDS = { dicom: t("DICOM files"), png: t("PNG files"), jpeg: t("JPEG files"), zip: t("zip files"), other: t("other files") };

/** Fill the panel. The answer is whether a person must say yes first. */
export function showPreflight(root, run, preflight, left) {
  const missing = run.missing.length + run.zips.length;
  $("[data-preflight-stats]", root).replaceChildren(...stats(run, preflight).map(([value, name]) => stat(value, name)));
  const warnings = (preflight?.warnings ?? []).filter(({ code }) => code !== "refused"); // each reason stands below
  const ask = warnings.some((warning) => warning.ask);
  const asking = [...warnings.filter((warning) => warning.ask).map(({ message }) => message), ...losses(run, preflight)].map(notice);
  const telling = [...warnings.filter((warning) => !warning.ask).map(({ message }) => message), ...remarks(run, left)];
  const list = telling.length ? [el("ul", { class: "remarks" }, ...telling.map((line) => el("li", {}, line)))] : [];
  $("[data-preflight-warnings]", root).replaceChildren(...asking, ...list);
  $("[data-preflight-refused]", root).replaceChildren(...refusedGroups(run.refusals));
  $("[data-yes]", root).hidden = !ask;
  $("[data-yes-box]", root).checked = false;
  const button = $("[data-send]", root);
  button.textContent = missing ? tn("Send {n} file, {size}", "Send {n} files, {size}", missing, { size: bytes(run.toSend) }) : t("Nothing to send: finish this upload");
  button.disabled = ask;
  return ask;
}

function stats(run, preflight) {
  if (!preflight) return [[count(run.zips.length), t("zip to open")], [bytes(run.toSend), t("to send")]];
  const kinds = Object.entries(preflight.by_kind).map(([kind, number]) => [count(number), KINDS[kind] ?? kind]);
  const here = (state) => run.entries.filter(({ verdict }) => verdict?.state === state).length;
  return [
    ...kinds,
    [`${preflight.studies_certain ? "" : "≥ "}${count(preflight.studies)}`, tn("study formed", "studies formed", preflight.studies)],
    [bytes(preflight.largest_file), t("largest file")],
    [count(here("duplicate")), t("known already")],
    [count(run.refusals.length), t("refused")],
    [run.missing.length ? t("≈ {n} min", { n: count(Math.max(1, preflight.minutes)) }) : "–", t("to the last result")],
  ];
}

/** What this upload would lose if it went on with another choice than it began with. */
function losses(run, preflight) {
  if (!run.known) return [];
  const found = [];
  const absent = (preflight?.missing ?? run.awaited) - run.missing.length;
  if (absent > 0) found.push(tn(
    "{n} file that this upload still waits for is not among these, by path. Sent like this, it will be marked as not sent.",
    "{n} files that this upload still waits for are not among these, by path. Sent like this, they will be marked as not sent.", absent));
  if (run.strayZip) found.push(t("A zip of {size} that was on its way is not among these. Sent like this, what arrived of it is dropped.", { size: bytes(run.strayZip.size) }));
  return found;
}

function remarks(run, left) {
  const notes = [];
  if (run.zips.length) {
    const size = run.zips.reduce((sum, { file }) => sum + file.size, 0);
    notes.push(tn(
      "{n} zip ({size}) will be opened by the service; the members appear on the receipt.",
      "{n} zips ({size}) will be opened by the service; the members appear on the receipt.", run.zips.length, { size: bytes(size) }));
  }
  for (const { path, file, stored } of run.archives) {
    if (stored === file.size) notes.push(t("{path} arrived earlier and need not be sent again.", { path }));
    else if (stored) notes.push(t("{path} goes on at {stored} of {size}.", { path, stored: bytes(stored), size: bytes(file.size) }));
  }
  const waiting = run.entries.filter(({ verdict }) => verdict?.state === "received").length;
  if (waiting) notes.push(tn("{n} file arrived earlier and need not be sent again.", "{n} files arrived earlier and need not be sent again.", waiting));
  if (left) notes.push(tn("{n} system file (such as .DS_Store) left out.", "{n} system files (such as .DS_Store) left out.", left));
  return notes;
}

const stat = (value, name) => el("div", { class: "stat" }, el("span", { class: "stat-value" }, value), el("span", { class: "stat-name" }, name));

const notice = (message) => el("div", { class: "notice notice-warning" }, el("div", {}, el("p", { class: "notice-message" }, message)));
