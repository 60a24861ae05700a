/** The magnifier: a round glass under the pointer, or in the middle for who uses keys. It follows window, turn and heat. */

const SIDE = 220; // CSS pixels
const STRENGTH = 2.5;

export class Lens {
  constructor(viewer) {
    this.viewer = viewer;
    this.on = false;
    this.glass = document.createElement("canvas");
    this.glass.className = "lens";
    this.glass.setAttribute("aria-hidden", "true");
    this.at = null;
    viewer.canvas.addEventListener("pointermove", (event) => {
      this.at = [event.offsetX, event.offsetY];
      this.#look();
    });
    viewer.pane.addEventListener("painted", () => this.#look());
  }

  toggle() {
    this.on = !this.on;
    if (this.on) this.viewer.canvas.after(this.glass);
    else this.glass.remove();
    this.#look();
  }

  /** Move by so many CSS pixels. */
  move(dx, dy) {
    const [x, y] = this.#middle();
    const { clientWidth, clientHeight } = this.viewer.canvas;
    this.at = [Math.min(clientWidth, Math.max(0, x + dx)), Math.min(clientHeight, Math.max(0, y + dy))];
    this.#look();
  }

  #middle() {
    return this.at ?? [this.viewer.canvas.clientWidth / 2, this.viewer.canvas.clientHeight / 2];
  }

  #look() {
    if (!this.on || !this.viewer.gray) return;
    const { canvas } = this.viewer;
    const ratio = canvas.width / canvas.clientWidth;
    const [x, y] = this.#middle();
    const side = SIDE * ratio;
    this.glass.width = side;
    this.glass.height = side;
    const context = this.glass.getContext("2d", { alpha: false });
    this.viewer.paintOn(context, STRENGTH, x * ratio, y * ratio);
    // The page forbids styles in its markup, not those that a script sets.
    this.glass.style.translate = `${x - SIDE / 2}px ${y - SIDE / 2}px`;
  }
}
