/** The study page: the viewer with its tools, and the whole answer by keyboard. */

import { help, onKeys } from "../keys.js";
import { watchGestures } from "./gestures.js";
import { Heat } from "./heat.js";
import { Viewer } from "./viewer.js";

const slices = JSON.parse(document.getElementById("slices").textContent);
const root = document.querySelector("[data-viewer]");
const STEP = 16; // CSS pixels that one press of an arrow drags
const click = (selector) => document.querySelector(selector)?.click();

if (slices.length) startViewer();
else onKeys(answering());

function startViewer() {
  const viewer = new Viewer(root, slices);
  const { choose, drag } = watchGestures(viewer);
  const heat = new Heat(viewer, slices);
  const acts = {
    heat: () => heat.toggle(),
    "zoom-in": () => viewer.zoom(1.25),
    "zoom-out": () => viewer.zoom(0.8),
    fit: () => viewer.fit(),
    invert: () => viewer.invert(),
    reset: () => viewer.reset(),
  };
  for (const button of root.querySelectorAll("[data-act]")) button.addEventListener("click", acts[button.dataset.act]);
  root.addEventListener("painted", () => describe(viewer));
  root.addEventListener("slice", ({ detail }) => { markSlice(detail); heat.follow(); });
  root.querySelector("[data-slice]")?.addEventListener("input", (event) => viewer.show(Number(event.target.value) - 1));
  root.querySelector("[data-strip]")?.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-go]");
    if (cell) viewer.show(Number(cell.dataset.go));
  });
  markSlice(viewer.place);
  // With Shift an arrow drags with the chosen tool; within an input arrows belong to that.
  const arrow = (dx, dy, plain) => (event) => {
    if (event.target.matches("input")) return false;
    return event.shiftKey ? drag(dx, dy) : plain();
  };
  const scroll = (by) => (viewer.count > 1 ? viewer.show(viewer.place + by) : false);
  onKeys({
    ...answering(),
    f: acts.fit, "+": acts["zoom-in"], "=": acts["zoom-in"], "-": acts["zoom-out"], i: acts.invert, r: acts.reset, h: acts.heat,
    w: () => choose("window"),
    p: () => choose("pan"),
    ArrowLeft: arrow(-STEP, 0, () => false),
    ArrowRight: arrow(STEP, 0, () => false),
    ArrowUp: arrow(0, -STEP, () => scroll(-1)),
    ArrowDown: arrow(0, STEP, () => scroll(1)),
  });
}

function describe(viewer) {
  const ratio = window.devicePixelRatio || 1;
  root.querySelector("[data-zoom]").textContent = `${Math.round((viewer.scale / ratio) * 100)} %`;
  root.querySelector("[data-window]").textContent = `C ${Math.round(viewer.window.center)}  W ${Math.round(viewer.window.width)}`;
  root.querySelector('[data-act="invert"]').setAttribute("aria-pressed", String(viewer.window.inverted));
}

function markSlice(place) {
  root.querySelector("[data-place]").textContent = slices.length > 1 ? `${place + 1} / ${slices.length}` : "";
  const range = root.querySelector("[data-slice]");
  if (range) range.value = place + 1;
  for (const cell of root.querySelectorAll("[data-go]")) {
    const current = Number(cell.dataset.go) === place;
    if (current) cell.setAttribute("aria-current", "true");
    else cell.removeAttribute("aria-current");
    if (current) cell.parentElement.scrollTo({ left: cell.offsetLeft - cell.parentElement.clientWidth / 2 + 28 });
  }
}

/** Keys of the answer. The form is looked up anew each time: recording an answer replaces it. */
function answering() {
  const choose = (n) => () => {
    const open = Array.from(document.querySelectorAll("[data-finding]"));
    const finding = document.activeElement.closest?.("[data-finding]") ?? open.find((one) => !one.querySelector(":checked")) ?? open[0];
    const radio = finding?.querySelectorAll("input[type=radio]")[n];
    if (!radio) return false;
    radio.checked = true;
    radio.focus();
    if (radio.value === "not_assessable") finding.querySelector("select").focus();
    return true;
  };
  return {
    1: choose(0), 2: choose(1), 3: choose(2), 4: choose(3),
    c: () => document.getElementById("comment")?.focus(),
    n: () => click("[data-key-n]"),
    u: () => click("[data-key-u]"),
    Enter: (event) => {
      const form = document.querySelector("[data-answer-form]");
      if (!form || event.target.closest("button, a, summary")) return false;
      form.requestSubmit();
      return true;
    },
    "?": help,
  };
}

// After an answer the focus would fall back to the page: it goes to the way on.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id === "answers") (document.querySelector("#answers .notice a") ?? document.querySelector("#answers-title"))?.focus();
});
