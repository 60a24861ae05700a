/** The pre-flight: what will be sent, what will not and why, before a single file leaves. */

import { $, el } from "./dom.js";
import { refusedGroups } from "./refused.js";
import { bytes, count, plural } from "./text.js";

const KINDS = { dicom: "DICOM", png: "PNG", jpeg: "JPEG", zip: "zip", other: "other" };

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
  button.textContent = missing ? `Send ${plural(missing, "file")}, ${bytes(run.toSend)}` : "Nothing to send: finish this upload";
  button.disabled = ask;
  return ask;
}

function stats(run, preflight) {
  if (!preflight) return [[count(run.zips.length), "zip to open"], [bytes(run.toSend), "to send"]];
  const kinds = Object.entries(preflight.by_kind).map(([kind, number]) => [count(number), `${KINDS[kind] ?? kind} files`]);
  const here = (state) => run.entries.filter(({ verdict }) => verdict?.state === state).length;
  return [
    ...kinds,
    [`${preflight.studies_certain ? "" : "≥ "}${count(preflight.studies)}`, preflight.studies === 1 ? "study formed" : "studies formed"],
    [bytes(preflight.largest_file), "largest file"],
    [count(here("duplicate")), "known already"],
    [count(run.refusals.length), "refused"],
    [run.missing.length ? `≈ ${count(Math.max(1, preflight.minutes))} min` : "–", "to the last result"],
  ];
}

/** What this upload would lose if it went on with another choice than it began with. */
function losses(run, preflight) {
  if (!run.known) return [];
  const found = [];
  const absent = (preflight?.missing ?? run.awaited) - run.missing.length;
  if (absent > 0) found.push(`${plural(absent, "file")} that this upload still waits for ${absent === 1 ? "is" : "are"} not among these, by path. Sent like this, ${absent === 1 ? "it" : "they"} will be marked as not sent.`);
  if (run.strayZip) found.push(`A zip of ${bytes(run.strayZip.size)} that was on its way is not among these. Sent like this, what arrived of it is dropped.`);
  return found;
}

function remarks(run, left) {
  const notes = [];
  if (run.zips.length) {
    const size = run.zips.reduce((sum, { file }) => sum + file.size, 0);
    notes.push(`${plural(run.zips.length, "zip")} (${bytes(size)}) will be opened by the service; the members appear on the receipt.`);
  }
  for (const { path, file, stored } of run.archives) {
    if (stored === file.size) notes.push(`${path} arrived earlier and need not be sent again.`);
    else if (stored) notes.push(`${path} goes on at ${bytes(stored)} of ${bytes(file.size)}.`);
  }
  const waiting = run.entries.filter(({ verdict }) => verdict?.state === "received").length;
  if (waiting) notes.push(`${plural(waiting, "file")} arrived earlier and need not be sent again.`);
  if (left) notes.push(`${plural(left, "system file")} (such as .DS_Store) left out.`);
  return notes;
}

const stat = (value, name) => el("div", { class: "stat" }, el("span", { class: "stat-value" }, value), el("span", { class: "stat-name" }, name));

const notice = (message) => el("div", { class: "notice notice-warning" }, el("div", {}, el("p", { class: "notice-message" }, message)));
