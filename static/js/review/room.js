/** The pictures of a study: one pane or two, the tool bar over them, the strip of slices below. */

import { Boxes } from "./boxes.js";
import { watchGestures } from "./gestures.js";
import { Heat } from "./heat.js";
import { Lens } from "./lens.js";
import { say } from "./said.js";
import { Viewer } from "./viewer.js";

const STEP = 16; // CSS pixels that one press of an arrow drags
const SHIFT = 48; // pixels of the canvas by which a button moves the picture

export class Room {
  #tool = "window";
  #ending = new AbortController();

  constructor(root, slices) {
    this.root = root;
    this.slices = slices;
    this.border = Number(root.dataset.border);
    const pane = root.querySelector("[data-stage]");
    this.first = this.#pane(pane, slices, Number(root.dataset.start));
    this.second = null;
    this.active = this.first;
    if (root.querySelector('[data-act="heat"]')) this.heat = new Heat(this.first.viewer, root, this.#ending.signal);
    this.boxes = new Boxes(this, this.#ending.signal);
    this.#watchTools();
    pane.addEventListener("slice", ({ detail }) => { this.#markSlice(detail); this.heat?.follow(); });
    pane.addEventListener("ready", () => { root.dataset.ready = "yes"; });
    this.#markSlice(this.first.viewer.place);
  }

  get tool() {
    return this.#tool;
  }

  get viewer() {
    return this.active.viewer;
  }

  #pane(element, slices, start) {
    const viewer = new Viewer(element, { slices, start, border: this.border });
    const pane = { viewer, lens: new Lens(viewer) };
    const touched = () => this.#activate(pane);
    pane.drag = watchGestures(viewer, { tool: () => this.#tool, touched });
    element.addEventListener("painted", () => this.#describe(pane));
    return pane;
  }

  #activate(pane) {
    if (this.active === pane) return;
    this.active = pane;
    for (const one of this.#panes()) one.viewer.pane.classList.toggle("is-active", one === pane && Boolean(this.second));
    this.#describe(pane);
  }

  #panes() {
    return [this.first, this.second].filter(Boolean);
  }

  /** What buttons and keys do, by name. */
  get acts() {
    const of = (name, ...more) => () => this.viewer[name](...more);
    return {
      heat: () => this.heat?.toggle(),
      "heat-next": () => this.heat?.next(),
      "zoom-in": of("zoom", 1.25),
      "zoom-out": of("zoom", 0.8),
      fit: of("fit"),
      actual: of("actual"),
      invert: of("invert"),
      turn: of("turn", 1),
      "turn-back": of("turn", -1),
      mirror: of("mirror"),
      reset: of("reset"),
      brighter: () => this.#shade(-STEP),
      darker: () => this.#shade(STEP),
      left: of("pan", -SHIFT, 0),
      right: of("pan", SHIFT, 0),
      up: of("pan", 0, -SHIFT),
      down: of("pan", 0, SHIFT),
      lens: () => this.#magnify(),
      second: () => this.#compare(),
    };
  }

  /** What single keys do here. */
  get keys() {
    const { acts } = this;
    const preset = (name) => () => this.viewer.preset(name) || say("noWindow");
    const heat = (act) => () => (this.heat ? act() : say("noHeat"));
    return {
      f: acts.fit, o: acts.actual, "+": acts["zoom-in"], "=": acts["zoom-in"], "-": acts["zoom-out"],
      i: acts.invert, r: acts.reset, t: acts.turn, T: acts["turn-back"], x: acts.mirror, e: acts.lens, s: acts.second,
      h: heat(acts.heat), g: heat(acts["heat-next"]), ",": heat(() => this.heat.fade(-5)), ".": heat(() => this.heat.fade(5)),
      d: preset("file"), a: preset("auto"), "[": preset("narrower"), "]": preset("wider"),
      l: preset("lung"), m: preset("mediastinum"), b: preset("bone"),
      w: () => this.choose("window"),
      p: () => this.choose("pan"),
      k: () => this.boxes.place(),
      ArrowLeft: this.#arrow(-STEP, 0),
      ArrowRight: this.#arrow(STEP, 0),
      ArrowUp: this.#arrow(0, -STEP, -1),
      ArrowDown: this.#arrow(0, STEP, 1),
      PageUp: this.#scroll(-10),
      PageDown: this.#scroll(10),
    };
  }

  // With Shift an arrow drags with the chosen tool, with the glass it moves that. A slider keeps its own.
  #arrow(dx, dy, slices = 0) {
    return (event) => {
      if (event.target.matches("input[type=range]")) return false;
      if (event.shiftKey) return this.active.drag(dx, dy);
      if (this.active.lens.on) return this.active.lens.move(dx, dy);
      return slices ? this.#scroll(slices)(event) : false;
    };
  }

  #scroll(by) {
    return (event) => {
      if (event.target.matches("input[type=range]")) return false;
      if (this.viewer.count < 2) return event.target.matches("input[type=radio]"); // no answer is changed in passing
      return this.viewer.show(this.viewer.place + by);
    };
  }

  choose(name) {
    this.#tool = name;
    for (const button of this.root.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    for (const { viewer } of this.#panes()) viewer.canvas.classList.toggle("is-pan", name === "pan");
  }

  #watchTools() {
    const { acts } = this;
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act], [data-tool], [data-preset], [data-go]");
      if (!button || button.disabled) return;
      const { act, tool, preset, go } = button.dataset;
      if (act) acts[act]();
      else if (tool) this.choose(tool);
      else if (preset) this.viewer.preset(preset);
      else this.first.viewer.show(Number(go));
    });
    this.root.querySelector("[data-slice]")?.addEventListener("input", (event) => this.first.viewer.show(Number(event.target.value) - 1));
  }

  #shade(by) {
    this.viewer.level(0, this.viewer.inverted ? -by : by);
  }

  #magnify() {
    this.active.lens.toggle();
    this.#describe(this.active);
  }

  /** Open the second pane, or close it. */
  #compare() {
    if (this.second) {
      this.second.viewer.close();
      this.second.viewer.pane.remove();
      this.second = null;
      this.#activate(this.first);
      this.first.viewer.pane.classList.remove("is-active");
    } else {
      this.#openSecond();
    }
    this.root.querySelector("[data-stages]").classList.toggle("is-two", Boolean(this.second));
    this.root.querySelector('[data-act="second"]').setAttribute("aria-pressed", String(Boolean(this.second)));
  }

  #openSecond() {
    const template = this.root.querySelector("[data-second]");
    if (!template) return;
    this.root.querySelector("[data-stages]").append(template.content.cloneNode(true));
    const element = this.root.querySelector("[data-stages]").lastElementChild;
    const choice = element.querySelector("[data-choice]");
    const others = JSON.parse(document.getElementById("others").textContent);
    const lists = [this.slices, ...others];
    const [list, place] = others.length ? [1, 0] : [0, (this.first.viewer.place + 1) % this.slices.length];
    choice.value = `${list}:${place}`;
    this.second = this.#pane(element, lists[list], place);
    choice.addEventListener("change", () => {
      const [of, at] = choice.value.split(":").map(Number);
      this.#activate(this.second);
      this.second.viewer.open(lists[of], at);
    });
    element.addEventListener("slice", ({ detail }) => {
      choice.value = `${lists.indexOf(this.second.viewer.slices)}:${detail}`;
    });
    this.choose(this.#tool);
  }

  #describe(pane) {
    const { viewer } = pane;
    const { view, gray } = viewer;
    if (!view) return;
    const unit = gray.told.units ? ` ${gray.told.units}` : "";
    viewer.pane.querySelector("[data-window]").textContent = view.name === "voi" ? "VOI LUT" : `C ${told(view.center)}  W ${told(view.width)}${unit}`;
    const depth = viewer.pane.querySelector("[data-depth-word]");
    depth.textContent = gray.deep ? depth.dataset.deep : depth.dataset.preview;
    if (pane !== this.active) return;
    const ratio = window.devicePixelRatio || 1;
    this.root.querySelector("[data-zoom]").textContent = `${Math.round((viewer.scale / ratio) * 100)} %`;
    const pressed = (name, value) => this.root.querySelector(`[data-act="${name}"]`)?.setAttribute("aria-pressed", String(value));
    pressed("invert", viewer.inverted);
    pressed("mirror", viewer.mirrored);
    pressed("lens", pane.lens.on);
    for (const button of this.root.querySelectorAll("[data-preset]")) {
      const name = button.dataset.preset;
      if (name === "wider" || name === "narrower") continue;
      button.disabled = !gray.view(name);
      button.setAttribute("aria-pressed", String(view.name === name || (name === "file" && view.name === "voi")));
    }
  }

  #markSlice(place) {
    this.root.querySelector("[data-place]").textContent = this.slices.length > 1 ? `${place + 1} / ${this.slices.length}` : "";
    const range = this.root.querySelector("[data-slice]");
    if (range) range.value = place + 1;
    for (const cell of this.root.querySelectorAll("[data-go]")) {
      const current = Number(cell.dataset.go) === place;
      if (current) cell.setAttribute("aria-current", "true");
      else cell.removeAttribute("aria-current");
      if (current) cell.parentElement.scrollTo({ left: cell.offsetLeft - cell.parentElement.clientWidth / 2 + 28 });
    }
  }

  /** Let go of everything: the page shows another study. */
  close() {
    this.#ending.abort();
    for (const { viewer } of this.#panes()) viewer.close();
  }
}

/** A number as people read it: whole where that says enough. */
const figures = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 3, useGrouping: false });
const told = (value) => (Math.abs(value) >= 20 ? String(Math.round(value)) : figures.format(value));
