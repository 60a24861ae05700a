/** Pictures of a study as they are needed: the shown one first, its neighbours ahead, the far ones forgotten. */

import { Gray } from "./gray.js";

const KEPT = 24;

export class Pictures {
  #kept = new Map();

  constructor(slices) {
    this.slices = slices;
  }

  /** The gray values of one picture. A failure is not remembered: the next look tries again. */
  get(place) {
    const known = this.#kept.get(place);
    this.#kept.delete(place);
    const picture = known ?? load(this.slices[place].url);
    this.#kept.set(place, picture); // the latest asked for is last
    picture.catch(() => this.#kept.delete(place));
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return picture;
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
  if (!answer.ok) throw new Error(`preview: ${answer.status}`);
  return new Gray(await createImageBitmap(await answer.blob()));
}
