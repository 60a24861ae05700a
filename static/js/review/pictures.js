/** Pictures of a study as they are needed: previews first, all gray values after them, what was not looked at for long forgotten. */

import { fetchDeep } from "./deep.js";
import { Gray } from "./gray.js";

const PREVIEWS = 48; // kept
const DEEP_BYTES = 192 * 1024 * 1024; // kept, but always one

const early = new Map(); // previews that were fetched for a study that is not open yet, by address

/** Fetch a preview for the study that comes next. It stays in this page's memory and nowhere else. */
export function fetchEarly(url) {
  if (!early.has(url)) early.set(url, load(url));
  early.get(url).catch(() => early.delete(url));
}

export class Pictures {
  #previews = new Map();
  #deep = new Map();
  #wanted = new Map(); // promises of deep pictures that are on their way

  constructor(slices) {
    this.slices = slices;
  }

  /** The gray values of one preview. A failure is not remembered: the next look tries again. */
  get(place) {
    const url = this.slices[place].url;
    const known = this.#previews.get(place) ?? early.get(url);
    early.delete(url);
    this.#previews.delete(place);
    const picture = known ?? load(url);
    this.#previews.set(place, picture); // the latest asked for is last
    picture.catch(() => this.#previews.delete(place));
    if (this.#previews.size > PREVIEWS) this.#previews.delete(this.#previews.keys().next().value);
    return picture;
  }

  /** All gray values of one picture if they are here already. */
  deepNow(place) {
    return this.#deep.get(place) ?? null;
  }

  /** All gray values, made if need be; null where they cannot be had, or are no longer `wanted`. */
  deep(place, wanted) {
    const here = this.#deep.get(place);
    if (here) return Promise.resolve(here);
    if (!this.#wanted.has(place)) {
      const coming = fetchDeep(this.slices[place].deep, wanted)
        .then((gray) => this.#keep(place, gray))
        .catch(() => null)
        .finally(() => this.#wanted.delete(place));
      this.#wanted.set(place, coming);
    }
    return this.#wanted.get(place);
  }

  #keep(place, gray) {
    if (!gray) return null;
    this.#deep.set(place, gray);
    let sum = 0;
    for (const one of this.#deep.values()) sum += one.bytes;
    for (const [old, one] of this.#deep) {
      if (sum <= DEEP_BYTES || old === place) break;
      this.#deep.delete(old);
      sum -= one.bytes;
    }
    return gray;
  }

  /** Fetch the neighbours of a picture, so that scrolling does not wait. */
  ahead(place) {
    for (const step of [1, -1, 2, -2]) {
      if (this.slices[place + step]) this.get(place + step).catch(() => null);
    }
  }
}

async function load(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok || answer.status === 204) throw new Error(`preview: ${answer.status}`);
  const bitmap = await createImageBitmap(await answer.blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const values = new Uint8Array(bitmap.width * bitmap.height);
  for (let at = 0; at < values.length; at += 1) values[at] = data[at * 4];
  return new Gray(bitmap.width, bitmap.height, values);
}
