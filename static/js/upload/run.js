/** One upload from the first hash to the seal, free of the page: it asks nothing and shows nothing itself. */

import { call, Refused } from "./api.js";
import { sendArchive } from "./archive.js";
import { Control } from "./control.js";
import { isArchive } from "./files.js";
import { send } from "./lanes.js";
import { offer } from "./offer.js";
import { Gone, note, read, refusedAsChanged, UNREADABLE } from "./readable.js";
import { markOf, matchZips, unsent } from "./zips.js";

const NOT_TAKEN = new Set(["rejected", "unreadable"]);

export class Run {
  /** `api` is the address of the collection; `known` the key of an open upload that is continued; `refused` what was left out before. */
  constructor(api, entries, { options, known = null, refused = [], onTrouble }) {
    this.api = api;
    this.entries = entries.filter((entry) => !isArchive(entry));
    this.archives = entries.filter(isArchive);
    this.refused = refused;
    this.options = options;
    this.known = known;
    this.key = known;
    this.awaited = 0; // files that a continued upload waits for
    this.strayZip = null; // on its way there, and not chosen now
    this.idempotency = globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.onTrouble = onTrouble;
    this.control = new Control();
    entries.forEach(note);
  }

  get url() {
    return `${this.api}${this.key}/`;
  }

  get bytes() {
    return this.entries.reduce((sum, { file }) => sum + file.size, 0);
  }

  get missing() {
    return this.entries.filter(({ verdict }) => verdict?.state === "missing");
  }

  /** Archives of which something is left to send. */
  get zips() {
    return unsent(this.archives);
  }

  /** Bytes that will travel. */
  get toSend() {
    const files = this.missing.reduce((sum, { file }) => sum + file.size, 0);
    return this.zips.reduce((sum, { file, stored }) => sum + file.size - stored, files);
  }

  /** What will not be sent, and why. */
  get refusals() {
    const offered = this.entries.filter(({ verdict }) => NOT_TAKEN.has(verdict?.state));
    return [...this.refused, ...offered.map(({ path, verdict }) => ({ ...verdict, path }))];
  }

  get #calm() {
    return { control: this.control, onTrouble: this.onTrouble };
  }

  /** Open the upload and offer every file. The last pre-flight, or null when only archives were chosen. */
  async look(onProgress) {
    if (!this.key) {
      const { body } = await call("POST", this.api, { json: this.options, headers: { "Idempotency-Key": this.idempotency }, ...this.#calm });
      this.key = body.id;
    }
    await this.#lookAtArchives();
    if (!this.entries.length) return null;
    return offer(this.url, this.entries, { ...this.#calm, onProgress });
  }

  async #lookAtArchives() {
    const readable = [];
    for (const entry of this.archives) {
      try {
        entry.mark = await read(() => markOf(entry, this.control), [entry]);
        entry.stored = 0;
        readable.push(entry);
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        this.refused.push({ path: entry.path, ...UNREADABLE });
      }
    }
    this.archives = readable;
    if (!this.known) return;
    const { body } = await call("GET", this.url, this.#calm);
    this.awaited = body.items.expected ?? 0;
    this.strayZip = matchZips(readable, body.archives);
  }

  /** Send what is missing and the archives, then seal. Answers the files that were refused on the way. */
  async send(onProgress) {
    const zips = this.zips;
    const sent = { files: 0, bytes: 0 };
    const done = await send(this.url, this.missing, {
      ...this.#calm,
      onProgress: ({ files, bytes }) => onProgress(Object.assign(sent, { files, bytes })),
    });
    let before = done.bytes;
    for (const entry of zips) {
      const { stored } = entry;
      if (!(await this.#sendZip(entry, (now) => onProgress({ ...sent, bytes: before + now - stored })))) done.refused.push(refusedAsChanged(entry));
      before += entry.file.size - stored;
      sent.files += 1;
    }
    onProgress({ ...sent, bytes: before });
    await this.seal();
    return done.refused;
  }

  /** Whether the zip arrived; one that changed or went away costs only itself. */
  async #sendZip(entry, onProgress) {
    try {
      await sendArchive(this.url, entry, { ...this.#calm, onProgress });
      return true;
    } catch (error) {
      if (error instanceof Gone) return false;
      throw error;
    }
  }

  /** No more files. A continued upload may hold files of another sitting: only a new one is counted. */
  async seal() {
    const offered = new Set(this.entries.map(({ verdict }) => verdict?.item).filter(Boolean)).size;
    const json = this.known || this.archives.length ? {} : { count: offered };
    await call("POST", `${this.url}seal/`, { json, ...this.#calm });
  }

  /** Cancel the upload on the service. One that was never opened, or is gone, needs nothing. */
  async cancel() {
    this.control.stop();
    if (!this.key) return;
    try {
      await call("POST", `${this.url}cancel/`, { json: {}, control: new Control(), tries: 3 });
    } catch (error) {
      if (!(error instanceof Refused) || (error.status !== 404 && error.status !== 409)) throw error;
    }
  }
}
