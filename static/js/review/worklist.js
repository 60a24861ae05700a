/** The worklist by keyboard: j and k mark a study, Enter opens it, n opens the first. */

import { help, onKeys } from "../keys.js";
import { undo, watchUndo } from "./undo.js";

const rows = () => Array.from(document.querySelectorAll("[data-worklist] .row-target")); // a row may be replaced
const inRow = (selector) => {
  const act = document.activeElement.closest?.("[data-row]")?.querySelector(selector);
  act?.click();
  return Boolean(act);
};

function step(by) {
  const links = rows();
  const at = links.indexOf(document.activeElement);
  const to = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
  links[to]?.focus();
  links[to]?.closest("tr").scrollIntoView({ block: "nearest" });
}

onKeys({
  j: () => step(1),
  k: () => step(-1),
  n: () => (document.querySelector("[data-key-n]") ?? rows()[0])?.click(),
  x: () => inRow("[data-unusable]"),
  a: () => inRow("[data-anyway]"),
  z: undo,
  "?": help,
});

// A row that was answered at one stroke goes on being the marked one.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.requestConfig.path.endsWith("/unusable/")) document.querySelector(`a.row-target[href*="${detail.requestConfig.path.split("/").at(-3)}"]`)?.focus();
});
watchUndo();
