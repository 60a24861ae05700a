/** The answer by single keys: which question a digit answers, Enter, and where the focus goes afterwards. */

import { say, tell } from "./said.js";
import { undo } from "./undo.js";

const click = (selector) => {
  const way = document.querySelector(selector);
  way?.click();
  return Boolean(way);
};
const findings = () => Array.from(document.querySelectorAll("[data-finding]"));
const isOpen = (finding) => !finding.querySelector("input:checked");

let chosen = null; // the question that somebody went to with Tab or the mouse
let moving = false; // the focus is moved by this script, which chooses nothing

document.addEventListener("focusin", ({ target }) => {
  if (!moving) chosen = target.closest("[data-finding]");
  mark();
});
document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-finding] input[type=radio]")) return;
  if (findings().some(isOpen)) chosen = null; // answered by hand: the next digit is about the next question
  mark();
});

function move(element) {
  moving = true;
  element?.focus();
  moving = false;
}

/** The question that the next digit answers. One that is answered is changed only where it was gone to, or is alone. */
function current() {
  const all = findings();
  if (chosen?.isConnected) return chosen;
  return all.find(isOpen) ?? (all.length === 1 ? all[0] : null);
}

/** Of several questions, show which one the next digit answers. */
export function mark() {
  const all = findings();
  const one = all.length > 1 ? current() : null;
  for (const finding of all) finding.classList.toggle("is-current", finding === one);
}

const choose = (n) => () => {
  const finding = current();
  if (!finding) return findings().length > 0 && say("answered");
  const radio = finding.querySelectorAll("input[type=radio]")[n];
  if (!radio) return false;
  radio.checked = true;
  document.dispatchEvent(new Event("answered"));
  tell(`${finding.querySelector("legend").textContent} ${radio.parentElement.querySelector("span").textContent}`);
  if (radio.value === "not_assessable" && finding.querySelector("select")) move(finding.querySelector("select"));
  else goOn(finding);
  mark();
  return true;
};

/** To the next open question; where none is left the focus stays beside the answer, where no arrow changes it. */
function goOn(finding) {
  const all = findings();
  const next = all.slice(all.indexOf(finding) + 1).find(isOpen) ?? all.find(isOpen);
  if (next) chosen = null;
  move(next ?? finding);
  return Boolean(next);
}

// A closed list of reasons takes Enter for nothing else: it goes on, or records.
document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (key !== "Enter" || ctrlKey || metaKey || altKey || !target.matches("[data-reason] select")) return;
  if (CSS.supports("selector(:open)") && target.matches(":open")) return;
  event.preventDefault();
  if (!goOn(target.closest("[data-finding]"))) target.form.requestSubmit();
  mark();
});

/** Keys of the answer. `confirmed()` settles once the shown study is this reader's: until then nothing is sent. */
export function answering(confirmed) {
  return {
    1: choose(0), 2: choose(1), 3: choose(2), 4: choose(3),
    c: () => document.getElementById("comment")?.focus(),
    n: () => click("[data-key-n]") || say("noNext"),
    u: () => click("[data-key-u]"),
    z: () => undo() || say("noUndo"),
    Enter: (event) => {
      const form = document.querySelector("[data-answer-form]");
      if (!form || event.target.closest("button, a, summary")) return false;
      Promise.resolve(confirmed()).then(() => { if (form.isConnected) form.requestSubmit(); });
      return true;
    },
  };
}

/** After an answer the focus would fall back to the page: it goes to the way on, or to what was refused. */
export function focusOutcome() {
  const here = document.getElementById("answers");
  const refused = here?.querySelector(".notice-danger");
  if (refused) refused.tabIndex = -1;
  (refused ?? here?.querySelector(".notice a") ?? document.getElementById("answers-title"))?.focus();
}

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id !== "answers") return;
  globalThis.htmx.process(document.getElementById("answers")); // at once: a quick Enter would leave the page
  chosen = null;
  focusOutcome();
  mark();
});
