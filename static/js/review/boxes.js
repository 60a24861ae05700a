/** Boxes on the picture: one that the reader may give with an answer, and those of answers that stand. The first pane holds them. */

import { t } from "../words.js";

const STEP = 8; // CSS pixels by which an arrow moves or sizes
const LEAST = 0.005; // of a side of the picture
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

const all = (selector) => Array.from(document.querySelectorAll(selector));
const fields = () => all("input[data-box]");
const findingOf = (field) => field.closest("[data-finding]");
const chosen = (field) => findingOf(field).querySelector("[type=radio]:checked");
const takes = (field) => !["absent", "not_assessable"].includes(chosen(field)?.value);
const sidesOf = ({ value }) => value.split(" ").slice(1).map(Number);
const clamp = (value, low, high) => Number(Math.min(high, Math.max(low, value)).toFixed(4));

/** Turned, mirrored and enlarged a box is a box: left, top, width, height. */
function through(matrix, [x, y, width, height]) {
  const [one, two] = [{ x, y }, { x: x + width, y: y + height }].map((corner) => matrix.transformPoint(corner));
  return [Math.min(one.x, two.x), Math.min(one.y, two.y), Math.abs(one.x - two.x), Math.abs(one.y - two.y)];
}

export class Boxes {
  #drawn = new Map();

  constructor(room, signal) {
    this.room = room;
    this.viewer = room.first.viewer;
    const on = (target, kind, act) => target.addEventListener(kind, act, { signal });
    on(this.viewer.pane, "painted", () => this.#draw());
    on(this.viewer.pane, "keydown", (event) => this.#key(event));
    on(this.viewer.canvas, "pointerdown", (event) => this.#drag(event));
    for (const kind of ["change", "answered"]) on(document, kind, () => fields().forEach((field) => { if (field.value && !takes(field)) this.#refuse(field); }));
    on(document, "reset", () => setTimeout(() => this.#tell()));
    on(document, "click", (event) => this.#click(event));
    on(document, "htmx:afterSwap", () => this.#tell());
    this.#tell();
  }

  /** From parts of the picture to CSS pixels of its pane. */
  get #laid() {
    const { canvas, laid, width, height } = this.viewer;
    return new DOMMatrix().scale(canvas.clientWidth / canvas.width).multiply(new DOMMatrix(laid)).scale(width, height);
  }

  #placeOf({ value }) {
    return this.room.slices.findIndex(({ id }) => value.startsWith(id));
  }

  /** The key: a box in the middle of what is seen, or the one that is there, for arrows to move. */
  place() {
    const field = this.#field();
    if (!field) return;
    const { clientWidth: wide, clientHeight: high } = this.viewer.canvas;
    const side = Math.min(wide, high) / 4;
    if (!field.value.startsWith(this.viewer.slice.id)) this.#put(field, [(wide - side) / 2, (high - side) / 2, side, side]);
    this.#focus(field);
  }

  /** The finding that a box would be about: where the focus is, else one that is there and has none. */
  #field() {
    const here = fields().filter((field) => chosen(field) && findingOf(field).contains(document.activeElement));
    const asked = here.length ? here : fields();
    const free = asked.filter(takes);
    if (asked.length && !free.length) this.#refuse(asked[0]);
    const bare = free.filter(({ value }) => !value);
    return this.viewer.gray && (bare.find(chosen) ?? bare[0] ?? free[0]);
  }

  /** Set a box from CSS pixels; what does not lie on the picture is cut off. One that is moved stops at its border. */
  #put(field, rectangle, moved = false) {
    const [x, y, width, height] = through(this.#laid.inverse(), rectangle);
    const [left, top] = [clamp(x, 0, 1 - (moved ? width : LEAST)), clamp(y, 0, 1 - (moved ? height : LEAST))];
    const [right, bottom] = [clamp(x + width, left + LEAST, 1), clamp(y + height, top + LEAST, 1)];
    field.value = [this.viewer.slice.id, left, top, clamp(right - left, 0, 1), clamp(bottom - top, 0, 1)].join(" ");
    this.#tell();
  }

  #refuse(field) {
    field.value = "";
    this.#tell();
    field.nextElementSibling.textContent = t("The box was left out: only “present” and “unsure” take one.");
  }

  #remove(field) {
    findingOf(field).focus();
    field.value = "";
    this.#tell();
  }

  #words(source) {
    const [left, top, width, height] = sidesOf(source).map((side) => Math.round(side * 100));
    return t("Box on picture {n}: left {left} %, top {top} %, width {width} %, height {height} %", { n: this.#placeOf(source) + 1, left, top, width, height });
  }

  #tell() {
    for (const field of fields()) {
      const [words, button] = [field.nextElementSibling, field.parentElement.querySelector("button")];
      words.textContent = field.value && this.#words(field);
      button.hidden = !field.value;
    }
    for (const button of all("button[data-box]")) button.hidden = this.#placeOf(button) < 0;
    this.#draw();
  }

  #click({ target, detail }) {
    const button = target.closest("button");
    if (button?.matches("[data-box]")) this.viewer.show(this.#placeOf(button));
    else if (button?.matches("[data-box-remove]")) this.#remove(button.parentElement.querySelector("input"));
    else if (button?.dataset.tool === "box" && !detail) this.place(); // pressed by a key, which drags nothing
  }

  #key(event) {
    const field = fields().find(({ name }) => name === event.target.dataset.of);
    if (!field) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const [left, top, width, height] = through(this.#laid, sidesOf(field));
      const [dx, dy] = arrow;
      this.#put(field, event.shiftKey ? [left, top, Math.max(1, width + dx), Math.max(1, height + dy)] : [left + dx, top + dy, width, height], !event.shiftKey);
    } else if (event.key === "Escape" || event.key === "Delete") this.#remove(field);
    else return;
    event.preventDefault();
  }

  #drag({ offsetX: x, offsetY: y, button, shiftKey }) {
    const field = this.room.tool === "box" && !button && !shiftKey && this.#field();
    if (!field) return;
    const { canvas } = this.viewer;
    const draw = ({ offsetX, offsetY }) => this.#put(field, [x, y, offsetX - x, offsetY - y]);
    canvas.addEventListener("pointermove", draw);
    canvas.addEventListener("lostpointercapture", () => {
      canvas.removeEventListener("pointermove", draw);
      if (field.value) this.room.choose("window");
      this.#focus(field);
    }, { once: true });
  }

  #focus({ name }) {
    this.#drawn.get(name)?.focus({ preventScroll: true });
  }

  #draw() {
    const seen = this.viewer.gray ? all("[data-box]:not([data-mine])").filter(({ value }) => value.startsWith(this.viewer.slice.id)) : [];
    const keys = seen.map(({ name, dataset }) => name || dataset.word);
    for (const [key, box] of this.#drawn) {
      if (keys.includes(key)) continue;
      box.remove();
      this.#drawn.delete(key);
    }
    seen.forEach((source, at) => {
      const box = this.#drawn.get(keys[at]) ?? this.#make(source, keys[at]);
      const [left, top, width, height] = through(this.#laid, sidesOf(source));
      box.ariaLabel = `${source.dataset.word}. ${this.#words(source)}`;
      Object.assign(box.style, { translate: `${left}px ${top}px`, width: `${width}px`, height: `${height}px` });
    });
  }

  /** One's own takes the focus and all arrows; what others drew is seen and read. */
  #make({ name, dataset }, key) {
    const box = Object.assign(document.createElement("div"), { className: "box", role: name ? "application" : "img" });
    if (name) {
      box.dataset.of = name;
      box.tabIndex = 0;
    }
    box.append(dataset.word);
    this.viewer.pane.append(box);
    this.#drawn.set(key, box);
    return box;
  }
}
