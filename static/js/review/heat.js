/** The heat over the picture: which model's map is shown, and that it follows the slice. */

const PLACE = "heat-place"; // stays while its content is replaced
const OPACITY = 55; // in hundredths, where the heat is 1, until somebody chooses another
// Black over red and orange to a light yellow: brighter is always hotter.
const HUES = [[0, 0, 0], [150, 20, 60], [240, 110, 20], [255, 235, 120]];

export class Heat {
  #on = false;
  #wanted = ""; // model and label of the map that was chosen last
  #asked = 0;
  #opacities = new Map(); // of each map that was shown: model and finding
  #shown = null;

  /** `signal` ends it: the page shows another study. */
  constructor(viewer, root, signal) {
    this.viewer = viewer;
    this.name = viewer.pane.querySelector("[data-heat-name]");
    this.tool = root.querySelector('[data-act="heat"]');
    this.slider = root.querySelector("[data-opacity]");
    this.slider.value = OPACITY;
    this.slider.addEventListener("input", () => this.#fade(), { signal });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("#heat [data-heat]");
      if (button) this.#choose(button);
    }, { signal });
    // What comes for another picture than the one that is shown comes too late.
    document.addEventListener("htmx:beforeSwap", ({ detail }) => {
      if (detail.target.id === PLACE && detail.requestConfig.path !== this.#address) detail.shouldSwap = false;
    }, { signal });
    document.addEventListener("htmx:afterSwap", ({ detail }) => { if (detail.target.id === PLACE) this.#refresh(); }, { signal });
    this.#refresh();
  }

  get #address() {
    return this.viewer.slice.heat;
  }

  /** Stronger or fainter, by so many hundredths. Kept for this model and finding. */
  fade(by) {
    this.slider.value = Number(this.slider.value) + by;
    this.#fade();
  }

  /** The next of the maps that were drawn of this picture. */
  next() {
    const buttons = Array.from(document.querySelectorAll("#heat [data-heat]"));
    const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
    if (buttons.length) this.#choose(buttons[(at + 1) % buttons.length], true);
  }

  #fade() {
    if (this.#shown) this.#opacities.set(this.#shown, Number(this.slider.value));
    this.viewer.setHeat(this.viewer.heat, Number(this.slider.value) / 100);
  }

  /** Show the map that was chosen last, or the first one there is; or hide it. */
  toggle() {
    this.#on = !this.#on;
    this.#refresh();
  }

  /** Ask for the maps of another picture, once scrolling rests. */
  follow() {
    this.#refresh(); // nothing of the last picture stays
    clearTimeout(this.due);
    this.due = setTimeout(() => globalThis.htmx.ajax("GET", this.#address, { target: `#${PLACE}`, swap: "innerHTML" }), 150);
  }

  #choose(button, always = false) {
    this.#on = always || button.getAttribute("aria-pressed") !== "true";
    this.#wanted = button.dataset.name;
    this.#refresh();
  }

  async #refresh() {
    const asked = (this.#asked += 1);
    const told = document.getElementById("heat");
    const fits = told?.dataset.image === this.viewer.slice.id;
    const buttons = fits ? Array.from(told.querySelectorAll("[data-heat]")) : [];
    const chosen = this.#on ? (buttons.find(({ dataset }) => dataset.name === this.#wanted) ?? buttons[0]) : null;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
    this.tool.setAttribute("aria-pressed", String(this.#on));
    this.viewer.setHeat(null);
    this.name.textContent = this.#on && fits && !chosen ? this.name.dataset.none : "";
    this.#shown = chosen?.dataset.name ?? null;
    this.slider.disabled = !chosen;
    if (!chosen) return;
    this.slider.value = this.#opacities.get(this.#shown) ?? OPACITY;
    const layer = await load(chosen.dataset.heat).catch(() => null);
    if (asked !== this.#asked) return; // another picture or map was asked for meanwhile
    this.viewer.setHeat(layer, Number(this.slider.value) / 100);
    this.name.textContent = layer ? chosen.dataset.name : this.name.dataset.lost;
  }
}

/** A map as a layer of colours, transparent where there is no heat. */
async function load(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`heat: ${answer.status}`);
  const bitmap = await createImageBitmap(await answer.blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const table = colours();
  const out = new Uint32Array(pixels.data.buffer);
  for (let at = 0; at < out.length; at += 1) out[at] = table[out[at] & 255];
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** For each of 256 values of heat its colour, as the bytes of a canvas lie in memory (little endian). */
function colours() {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value += 1) {
    const heat = value / 255;
    const at = Math.min(HUES.length - 2, Math.floor(heat * (HUES.length - 1)));
    const part = heat * (HUES.length - 1) - at;
    const [red, green, blue] = HUES[at].map((low, channel) => Math.round(low + (HUES[at + 1][channel] - low) * part));
    table[value] = (Math.round(heat * 255) << 24) | (blue << 16) | (green << 8) | red;
  }
  return table;
}
