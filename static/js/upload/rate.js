/** How fast bytes left lately, and how long the rest will take. */

const WINDOW = 8_000; // milliseconds: long enough to be calm, short enough to notice a stall

export class Rate {
  #points = [];

  /** Note how many bytes have left in total. */
  add(bytes, now = performance.now()) {
    this.#points.push([now, bytes]);
    while (this.#points.length > 2 && now - this.#points[0][0] > WINDOW) this.#points.shift();
  }

  /** Bytes a second over the last seconds; 0 until it can be told. */
  get perSecond() {
    if (this.#points.length < 2) return 0;
    const [[t0, b0], [t1, b1]] = [this.#points[0], this.#points[this.#points.length - 1]];
    return t1 - t0 < 200 ? 0 : Math.max(0, ((b1 - b0) * 1000) / (t1 - t0));
  }

  /** Seconds until `bytes` more have left; Infinity until it can be told. */
  remaining(bytes) {
    return this.perSecond ? bytes / this.perSecond : Infinity;
  }
}

/** Call `act` at most once per frame, with the latest argument: progress must not cost more than the work. */
export function perFrame(act) {
  let latest;
  let due = false;
  return (value) => {
    latest = value;
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; act(latest); });
  };
}
