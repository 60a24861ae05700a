/** Send a zip in parts, from where the last attempt ended. */

import { call, Refused } from "./api.js";
import { sha256Base64 } from "./hash.js";
import { read, requireReadable } from "./readable.js";
import { remember } from "./zips.js";

const PART = 8 * 1024 * 1024;

/**
 * Send one archive, from the byte `stored` on. `onProgress(bytes)` counts what is stored.
 *
 * Throws `Gone` if the file changed or went away meanwhile.
 */
export async function sendArchive(url, entry, { control, onProgress, onTrouble }) {
  const { file } = entry;
  let offset = entry.stored;
  onProgress(offset);
  while (offset < file.size) {
    const end = Math.min(offset + PART, file.size);
    const from = offset;
    const part = file.slice(from, end);
    try {
      const { body } = await call("PUT", `${url}archive/`, {
        blob: part,
        headers: {
          "Content-Type": "application/octet-stream",
          "Content-Range": `bytes ${from}-${end - 1}/${file.size}`,
          "Content-Digest": `sha-256=:${await read(() => sha256Base64(part), [entry])}:`,
        },
        control,
        onTrouble,
        onLost: () => requireReadable([entry]),
        onSent: (sent) => onProgress(from + Math.min(sent, end - from)),
      });
      remember(body.archive, entry.mark);
      offset = end;
    } catch (error) {
      // Our last part may have been stored although its answer was lost.
      if (!(error instanceof Refused) || error.code !== "bad_offset") throw error;
      const stored = await storedSoFar(url, file, { control, onTrouble });
      if (stored === offset) throw error;
      offset = stored;
    }
    onProgress(offset);
  }
}

async function storedSoFar(url, file, options) {
  const { header } = await call("HEAD", `${url}archive/`, options);
  return Number(header("Upload-Length")) === file.size ? Number(header("Upload-Offset")) : 0; // else it was another zip
}
