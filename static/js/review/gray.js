/** A picture's gray values and the window through which they are seen. */

export const REST = Object.freeze({ center: 128, width: 256, inverted: false });

/** Gray values of a decoded picture, ready to be windowed again and again. */
export class Gray {
  constructor(bitmap) {
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.canvas = new OffscreenCanvas(this.width, this.height);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.context.drawImage(bitmap, 0, 0);
    const pixels = this.context.getImageData(0, 0, this.width, this.height);
    this.values = new Uint8Array(this.width * this.height);
    for (let at = 0; at < this.values.length; at += 1) this.values[at] = pixels.data[at * 4];
    this.shown = pixels;
    this.out = new Uint32Array(pixels.data.buffer);
    this.view = "";
  }

  /** The picture through a window. Nothing is computed twice for the same one. */
  through(view) {
    const key = `${view.center} ${view.width} ${view.inverted}`;
    if (key !== this.view) {
      const table = lookup(view);
      for (let at = 0; at < this.values.length; at += 1) this.out[at] = table[this.values[at]];
      this.context.putImageData(this.shown, 0, 0);
      this.view = key;
    }
    return this.canvas;
  }
}

/** For each of 256 gray values the pixel to show, as the bytes of a canvas lie in memory (opaque, little endian). */
export function lookup({ center, width, inverted }) {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value += 1) {
    const ramp = Math.round(((value - (center - width / 2)) / width) * 255);
    const gray = Math.min(255, Math.max(0, ramp));
    const shown = inverted ? 255 - gray : gray;
    table[value] = (255 << 24) | (shown << 16) | (shown << 8) | shown;
  }
  return table;
}

/** Another window after a drag: to the right wider, downwards darker. */
export function dragged(view, dx, dy) {
  return {
    ...view,
    width: Math.min(512, Math.max(2, view.width + dx)),
    center: Math.min(384, Math.max(-128, view.center + dy)),
  };
}
