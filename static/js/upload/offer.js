/** Hash what was chosen and offer it: which files the service lacks, in chunks of a thousand. */

import { call } from "./api.js";
import { sha256 } from "./hash.js";
import { Gone, read } from "./readable.js";

const CHUNK = 1000;
const AT_ONCE = 4; // files hashed side by side; the browser digests off the main thread

/**
 * Offer entries to an open upload.
 *
 * Fills `sha256` and `verdict` into each entry. `onProgress({files, bytes})` counts what was hashed.
 * Resolves with the last pre-flight, which covers all that was offered.
 */
export async function offer(url, entries, { control, onProgress, onTrouble }) {
  const done = { files: 0, bytes: 0 };
  let preflight = null;
  for (let at = 0; at < entries.length; at += CHUNK) {
    const chunk = entries.slice(at, at + CHUNK);
    await hashAll(chunk, control, (entry) => {
      done.files += 1;
      done.bytes += entry.file.size;
      onProgress(done);
    });
    preflight = await check(url, chunk, { control, onTrouble }) ?? preflight;
  }
  return preflight;
}

async function hashAll(entries, control, onOne) {
  const queue = entries.values();
  const lane = async () => {
    for (const entry of queue) {
      await control.gate();
      try {
        entry.sha256 = entry.left ? "" : await read(() => sha256(entry.file, control));
      } catch (error) {
        // The file went away or may not be read: offered without a hash it is refused, and stands on the receipt.
        if (!(error instanceof Gone)) throw error;
        entry.sha256 = "";
      }
      onOne(entry);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function check(url, entries, options) {
  if (!entries.length) return null;
  const files = entries.map(({ path, file, sha256: digest }) => ({ path, size: file.size, sha256: digest }));
  const { body } = await call("POST", `${url}check/`, { json: { files }, ...options });
  // The answers stand in the order of the question: paths may come back normalised.
  body.files.forEach((verdict, place) => {
    entries[place].verdict = verdict;
  });
  return body.preflight;
}
