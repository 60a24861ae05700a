/** Gray values of a picture, and the window through which they are seen: the arithmetic of ml/images/gray.py. */

const WIDTHS = [1 / 128, 2]; // of a window, in parts of the picture's span
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** What a preview tells of itself: gray values as they are shown. */
const PREVIEW = {
  levels: 256, first: 0, step: 1, slope: 1, intercept: 0, modality: null, voi: null, padding: null, inverted: false, units: "",
  windows: [{ name: "file", center: 128, width: 256, function: "LINEAR" }],
};

/** One picture: `values[row * width + column]` is a level, and `told` says what a level stands for. */
export class Gray {
  constructor(width, height, values, told = PREVIEW) {
    Object.assign(this, { width, height, values, told });
  }

  get deep() {
    return this.told !== PREVIEW;
  }

  get bytes() {
    return this.values.byteLength;
  }

  /** What the modality transform makes of a level. */
  real(level) {
    const { modality, first, step, slope, intercept } = this.told;
    return modality ? modality[level] : (first + step * level) * slope + intercept;
  }

  /** The view to begin with: the table of the file, or its window, or what was found best. */
  get start() {
    return this.view(this.told.voi ? "voi" : this.told.windows[0].name);
  }

  /** A view by name; null where the picture has none of it. */
  view(name) {
    const { voi, windows, units } = this.told;
    if (name === "voi") return voi && { name, center: voi.first + voi.entries.length / 2, width: voi.entries.length, shape: "LINEAR_EXACT" };
    if (name === "auto") return named(windows.find((one) => one.name === name) ?? this.#measured());
    if (name === "file" && voi) return this.view("voi");
    const own = windows.find((one) => one.name === name);
    if (own) return named(own);
    return units === "HU" && HOUNSFIELD[name] ? { name, ...HOUNSFIELD[name], shape: "LINEAR" } : null;
  }

  /** 1st to 99th percentile. */
  #measured() {
    const counts = new Uint32Array(this.told.levels);
    for (const level of this.values) counts[level] += 1;
    const at = (part) => {
      let sum = 0;
      const level = counts.findIndex((count) => (sum += count) >= part * this.values.length);
      return this.real(level);
    };
    const [low, high] = [at(0.01), at(0.99)];
    return { name: "auto", center: (low + high) / 2, width: Math.max(high - low, 1e-6), function: "LINEAR_EXACT" };
  }

  /** How far the values reach: the measure of a drag. */
  get span() {
    const reach = Math.abs(this.real(this.told.levels - 1) - this.real(0)) + 1;
    return this.deep ? Math.max(reach, this.start.width) : 256;
  }

  /** Another window after a drag of so many CSS pixels: to the right wider, downwards darker. */
  dragged(view, dx, dy) {
    const step = (this.span / 256) * 0.75;
    const down = this.told.inverted ? -1 : 1; // darker is a lower centre where low values are bright
    return this.#windowed(view, view.width + dx * step, view.center + dy * step * down);
  }

  /** The same centre, and a window so many times as wide. */
  widened(view, factor) {
    return this.#windowed(view, view.width * factor, view.center);
  }

  #windowed(view, width, center) {
    const middle = (this.real(0) + this.real(this.told.levels - 1)) / 2;
    const wide = clamp(width, this.span * WIDTHS[0], this.span * WIDTHS[1]);
    const shape = view.shape === "LINEAR" && wide <= 1 ? "LINEAR_EXACT" : view.shape;
    return { name: "", center: clamp(center, middle - this.span, middle + this.span), width: wide, shape };
  }
}

/** Windows in Hounsfield units that readers know by name. */
const HOUNSFIELD = {
  lung: { center: -600, width: 1500 },
  mediastinum: { center: 40, width: 400 },
  bone: { center: 400, width: 1800 },
};

const named = ({ name, center, width, function: shape }) => ({ name, center, width, shape });

/** For each level the gray value 0..255 to show. */
export function shownLevels(gray, view, inverted) {
  const { told } = gray;
  const shown = new Uint8Array(told.levels);
  const unit = ramp(view, told.voi);
  for (let level = 0; level < told.levels; level += 1) {
    const part = unit(gray.real(level));
    const byte = Math.floor((told.inverted ? 1 - part : part) * 255 + 0.5);
    shown[level] = inverted ? 255 - byte : byte;
  }
  if (told.padding) shown.fill(0, told.padding[0], told.padding[1] + 1);
  return shown;
}

/** The function from a value to 0..1: DICOM PS3.3 C.11.2. */
function ramp({ name, center, width, shape }, voi) {
  if (name === "voi") {
    const most = 2 ** voi.bits - 1;
    return (value) => voi.entries[clamp(Math.floor(value) - voi.first, 0, voi.entries.length - 1)] / most;
  }
  if (shape === "SIGMOID") return (value) => 1 / (1 + Math.exp(clamp((-4 * (value - center)) / width, -700, 700)));
  if (shape === "LINEAR_EXACT") return (value) => clamp((value - center) / width + 0.5, 0, 1);
  if (width === 1) return (value) => (value - center > -0.5 ? 1 : 0);
  return (value) => clamp((value - center + 0.5) / (width - 1) + 0.5, 0, 1);
}

/** The same look through another picture of the same thing: from the preview's gray values to the file's own. */
export function carried(view, from, to) {
  if (from === to || from.deep === to.deep) return to.view(view.name) ?? (from.told.units === to.told.units ? view : to.start);
  if (view.name === "file" || !to.deep) return to.start; // nothing was changed yet
  if (view.name) return to.view(view.name) ?? to.start;
  const { center, width } = to.start;
  const part = (to.told.inverted ? 255 - view.center : view.center) / 255 - 0.5;
  return { name: "", center: center + part * width, width: (view.width / 256) * width, shape: "LINEAR_EXACT" };
}

/** A picture through a window, on a canvas of its own. Nothing is computed twice for the same one. */
export class Painter {
  #canvas = new OffscreenCanvas(1, 1);
  #key = "";
  #gray = null;

  /** `stride`: take every so many-th pixel alone, while a drag goes on. */
  paint(gray, view, inverted, stride = 1) {
    const key = `${view.name} ${view.center} ${view.width} ${view.shape} ${inverted} ${stride}`;
    if (key !== this.#key || gray !== this.#gray) this.#fill(gray, shownLevels(gray, view, inverted), stride);
    this.#key = key;
    this.#gray = gray;
    return this.#canvas;
  }

  #fill(gray, shown, stride) {
    const [width, height] = [Math.ceil(gray.width / stride), Math.ceil(gray.height / stride)];
    const table = Uint32Array.from(shown, (byte) => (255 << 24) | (byte << 16) | (byte << 8) | byte); // little endian
    if (this.#canvas.width !== width || this.#canvas.height !== height) this.#canvas = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    const out = new Uint32Array(pixels.data.buffer);
    if (stride === 1) for (let at = 0; at < out.length; at += 1) out[at] = table[gray.values[at]];
    else {
      for (let y = 0, at = 0; y < height; y += 1) {
        for (let x = 0, from = y * stride * gray.width; x < width; x += 1, from += stride, at += 1) out[at] = table[gray.values[from]];
      }
    }
    this.#canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
}
