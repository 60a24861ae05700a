/** Pausing and stopping: one object that every lane asks before it goes on. */

export class Stopped extends Error {
  constructor() {
    super("Stopped by the user.");
    this.name = "Stopped";
  }
}

export class Control {
  #abort = new AbortController();
  #held = null;
  #release = null;

  get signal() {
    return this.#abort.signal;
  }

  get paused() {
    return this.#held !== null;
  }

  pause() {
    if (!this.#held) {
      this.#held = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
  }

  resume() {
    this.#release?.();
    this.#held = null;
  }

  stop() {
    this.#abort.abort();
    this.resume();
  }

  /** Go on when not paused; throw `Stopped` once stopped. */
  async gate() {
    while (this.#held) await this.#held;
    if (this.signal.aborted) throw new Stopped();
  }

  /** Wait, but no longer than until somebody stops. */
  async sleep(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
    await this.gate();
  }
}
