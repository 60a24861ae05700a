/** The viewer: fit, zoom, pan, invert, window by drag, slices. */

import { REST, dragged } from "./gray.js";
import { Pictures } from "./pictures.js";

const ZOOM = [0.05, 24];

export class Viewer {
  constructor(root, slices) {
    this.root = root;
    this.stage = root.querySelector("[data-stage]");
    this.canvas = root.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.pictures = new Pictures(slices);
    this.count = slices.length;
    this.place = Number(root.dataset.start);
    this.window = { ...REST };
    this.gray = null;
    this.heat = null;
    this.border = Number(root.dataset.border); // part of each side that models do not see
    this.fitted = true;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    new ResizeObserver(() => this.#resize()).observe(this.stage);
    this.show(this.place);
  }

  /** Show another picture; window and zoom stay, as when scrolling through slices. */
  async show(place) {
    this.place = Math.min(this.count - 1, Math.max(0, place));
    this.root.dispatchEvent(new CustomEvent("slice", { detail: this.place }));
    const asked = this.place;
    const trouble = this.root.querySelector("[data-trouble]");
    try {
      const gray = await this.pictures.get(asked);
      if (asked !== this.place) return; // scrolled on meanwhile
      this.gray = gray;
      trouble.hidden = true;
      if (this.fitted) this.fit();
      else this.draw();
      this.pictures.ahead(asked);
      this.root.dataset.ready = "yes";
    } catch {
      trouble.hidden = false;
    }
  }

  fit() {
    if (!this.gray) return;
    this.fitted = true;
    this.scale = Math.min(this.canvas.width / this.gray.width, this.canvas.height / this.gray.height);
    this.x = (this.canvas.width - this.gray.width * this.scale) / 2;
    this.y = (this.canvas.height - this.gray.height * this.scale) / 2;
    this.draw();
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

  /** Change the window by a drag of so many CSS pixels. */
  level(dx, dy) {
    this.window = dragged(this.window, dx * 0.75, dy * 0.75);
    this.draw();
  }

  /** Lay a heat map over the picture, or take it away. */
  setHeat(layer) {
    this.heat = layer;
    this.draw();
  }

  invert() {
    this.window = { ...this.window, inverted: !this.window.inverted };
    this.draw();
  }

  reset() {
    this.window = { ...REST };
    this.fit();
  }

  draw() {
    if (this.due || !this.gray) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.#paint();
    });
  }

  #paint() {
    const { context, canvas, gray } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.setTransform(this.scale, 0, 0, this.scale, this.x, this.y);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = this.scale < 4; // far in, single pixels are to be seen
    context.drawImage(gray.through(this.window), 0, 0);
    if (this.heat) this.#paintHeat();
    this.root.dispatchEvent(new CustomEvent("painted"));
  }

  #paintHeat() {
    const { context, gray, border } = this;
    const [left, top] = [Math.round(gray.width * border), Math.round(gray.height * border)];
    context.imageSmoothingEnabled = true;
    context.drawImage(this.heat, left, top, gray.width - 2 * left, gray.height - 2 * top);
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.stage.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.stage.clientHeight * ratio));
    if (this.fitted) this.fit();
    else this.draw();
  }
}
