/** The viewer of one pane: fit, zoom, pan, turn, mirror, invert, window, slices. Places are those of the file's own pixels. */

import { Painter, carried } from "./gray.js";
import { Pictures } from "./pictures.js";

const ZOOM = [0.05, 24];
const REST = 140; // milliseconds without a change, after which every pixel is painted
const PAUSE = 120; // on a slice, before all its gray values are fetched

export class Viewer {
  #painter = new Painter();
  #pictures = new Map(); // of each list of slices
  #view = null; // chosen for a picture like #viewOf
  #viewOf = null;
  #changed = 0; // when the window was last dragged

  constructor(pane, { slices, start, border }) {
    this.pane = pane;
    this.canvas = pane.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.border = border; // part of each side that models do not see
    this.gray = null;
    this.heat = null;
    this.heatOpacity = 1;
    this.inverted = false;
    this.#straighten();
    this.watcher = new ResizeObserver(() => this.#resize());
    this.watcher.observe(this.canvas.parentElement);
    this.open(slices, start);
  }

  /** Show another list of pictures, from one of them on. */
  open(slices, place) {
    if (!this.#pictures.has(slices)) this.#pictures.set(slices, new Pictures(slices));
    this.slices = slices;
    this.pictures = this.#pictures.get(slices);
    this.count = slices.length;
    return this.show(place);
  }

  get slice() {
    return this.slices[this.place];
  }

  /** Show another picture; window and zoom stay, as when scrolling through slices. */
  async show(place) {
    this.place = Math.min(this.count - 1, Math.max(0, place));
    this.pane.dispatchEvent(new CustomEvent("slice", { detail: this.place }));
    const asked = this.slice;
    const trouble = this.pane.querySelector("[data-trouble]");
    clearTimeout(this.due);
    try {
      const gray = this.pictures.deepNow(this.place) ?? (await this.pictures.get(this.place));
      if (asked !== this.slice) return; // scrolled on meanwhile
      trouble.hidden = true;
      this.#use(gray);
      this.pane.dispatchEvent(new CustomEvent("ready"));
      this.pictures.ahead(this.place);
      if (!gray.deep) this.due = setTimeout(() => this.#deepen(asked), this.count > 1 ? PAUSE : 0);
    } catch {
      if (asked === this.slice) trouble.hidden = false;
    }
  }

  async #deepen(asked) {
    const here = () => asked === this.slice && this.canvas.isConnected;
    const gray = await this.pictures.deep(this.place, here);
    if (gray && here()) this.#use(gray);
  }

  /** The same place on the canvas, whatever the picture's own size: nothing moves when all its gray values arrive. */
  #use(gray) {
    this.gray = gray;
    this.pane.dataset.depth = gray.deep ? "16" : "8";
    if (!this.#viewOf) this.#choose(gray.start);
    else if (gray.deep && !this.#viewOf.deep) this.#choose(carried(this.#view, this.#viewOf, gray));
    if (this.fitted) this.fit();
    else this.draw();
  }

  #choose(view) {
    this.#view = view;
    this.#viewOf = this.gray;
    this.draw();
  }

  /** The window through which the picture is seen now. */
  get view() {
    if (!this.gray || !this.#view) return null;
    if (this.gray.deep !== this.#viewOf.deep) return this.gray.start; // a preview, until all gray values are here
    return (this.#view.name && this.gray.view(this.#view.name)) || this.#view;
  }

  get width() {
    return this.slice.columns || this.gray.width;
  }

  get height() {
    return this.slice.rows || this.gray.height;
  }

  fit() {
    if (!this.gray) return;
    const [width, height] = this.turns % 2 ? [this.height, this.width] : [this.width, this.height];
    this.fitted = true;
    this.scale = Math.min(this.canvas.width / width, this.canvas.height / height);
    this.x = this.canvas.width / 2;
    this.y = this.canvas.height / 2;
    this.draw();
  }

  /** One pixel of the file on one of the screen. */
  actual() {
    this.zoom(1 / this.scale);
  }

  /** Zoom by a factor about a point of the canvas, its middle if none is given. */
  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const scale = Math.min(ZOOM[1], Math.max(ZOOM[0], this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.draw();
  }

  /** Quarters of a circle, clockwise. */
  turn(quarters) {
    this.turns = (this.turns + quarters + 4) % 4;
    if (this.fitted) this.fit();
    else this.draw();
  }

  /** Left and right exchanged, as it is seen. */
  mirror() {
    this.mirrored = !this.mirrored;
    this.turns = (4 - this.turns) % 4;
    this.draw();
  }

  /** Change the window by a drag of so many CSS pixels. */
  level(dx, dy) {
    if (!this.gray) return;
    this.#changed = performance.now();
    this.#choose(this.gray.dragged(this.view, dx, dy));
  }

  /** A window by name; `wider` and `narrower` change the one there is. Whether the picture has it. */
  preset(name) {
    if (!this.gray) return false;
    const factor = { wider: 1.25, narrower: 0.8 }[name];
    const view = factor ? this.gray.widened(this.view, factor) : this.gray.view(name);
    if (view) this.#choose(view);
    return Boolean(view);
  }

  /** Lay a heat map over the picture, or take it away. */
  setHeat(layer, opacity = this.heatOpacity) {
    this.heat = layer;
    this.heatOpacity = opacity;
    this.draw();
  }

  invert() {
    this.inverted = !this.inverted;
    this.draw();
  }

  reset() {
    this.inverted = false;
    this.#straighten();
    if (this.gray) this.#choose(this.gray.start);
    this.fit();
  }

  #straighten() {
    Object.assign(this, { fitted: true, scale: 1, x: 0, y: 0, turns: 0, mirrored: false });
  }

  draw() {
    if (this.waiting || !this.gray) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#paint();
    });
  }

  #paint() {
    this.paintOn(this.context);
    this.pane.dispatchEvent(new CustomEvent("painted"));
  }

  /** Paint what the pane shows, enlarged so many times about a point of its canvas that lies in the middle of this one. */
  paintOn(context, strength = 1, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const picture = this.#painter.paint(this.gray, this.view, this.inverted, this.#stride());
    const scale = this.scale * strength;
    const { width, height } = context.canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const [a, b, c, d, e, f] = this.laid;
    context.setTransform(strength, 0, 0, strength, Math.round(width / 2 - x * strength), Math.round(height / 2 - y * strength));
    context.transform(a, b, c, d, e, f);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = scale !== 1 && scale < 4; // far in, single pixels are to be seen
    context.drawImage(picture, 0, 0, this.width, this.height);
    if (this.heat) this.#paintHeat(context);
  }

  /** While a window is dragged, a large picture is computed no finer than the screen shows it. */
  #stride() {
    const wide = (this.scale * this.width) / this.gray.width;
    if (performance.now() - this.#changed > REST || wide > 0.5) return 1;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw(), REST + 10);
    return Math.floor(1 / wide);
  }

  /** From pixels of the file to those of the canvas. The corner lies on a whole one: nothing is smeared at 100 %. */
  get laid() {
    const [cos, sin] = [[1, 0], [0, 1], [-1, 0], [0, -1]][this.turns];
    const [a, b, c, d] = [cos, sin, -sin, cos].map((part) => part * this.scale);
    const [right, down] = this.mirrored ? [-a, -b] : [a, b];
    const x = this.x - (right * this.width + c * this.height) / 2;
    const y = this.y - (down * this.width + d * this.height) / 2;
    return [right, down, c, d, Math.round(x), Math.round(y)];
  }

  #paintHeat(context) {
    const { border, width, height } = this;
    const [left, top] = [Math.round(width * border), Math.round(height * border)];
    context.imageSmoothingEnabled = true;
    context.globalAlpha = this.heatOpacity;
    context.drawImage(this.heat, left, top, width - 2 * left, height - 2 * top);
    context.globalAlpha = 1;
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [Math.max(1, Math.round(clientWidth * ratio)), Math.max(1, Math.round(clientHeight * ratio))];
    if (this.canvas.width === width && this.canvas.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    if (this.fitted) this.fit();
    else this.draw();
  }

  /** Let go of everything: the page shows another study. */
  close() {
    this.watcher.disconnect();
    clearTimeout(this.due);
    clearTimeout(this.resting);
  }
}
