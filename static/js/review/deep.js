/** Pictures in all their gray values: the file that ml/images/deep.py writes, asked for where it was not made yet. */

import { Gray } from "./gray.js";

const PATIENCE = 60_000; // milliseconds, for a worker to make one
const AGAIN = 5_000; // after so many, the call may have been lost: make it again
const MAGIC = "CSDP";

/** Fetch the picture, waiting for a worker to make it. Null where it cannot be had, or `wanted()` says no any more. */
export async function fetchDeep(url, wanted) {
  const began = performance.now();
  let called = -Infinity;
  for (let rest = 150; wanted() && performance.now() - began < PATIENCE; rest = Math.min(1000, rest * 1.3)) {
    const answer = await fetch(url, { credentials: "same-origin", cache: "no-cache" });
    if (answer.status === 200) return parse(await answer.arrayBuffer());
    if (answer.status !== 204) return null;
    if (performance.now() - called > AGAIN) {
      if ((await ask(url)) === "gone") return null;
      called = performance.now();
    }
    await new Promise((done) => setTimeout(done, rest));
  }
  return null;
}

async function ask(url) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}"); // the token that htmx sends, too
  const answer = await fetch(url, { method: "POST", credentials: "same-origin", headers });
  return answer.ok ? (await answer.json()).deep : "gone";
}

/** Read the file. A format of another release is no picture. */
export async function parse(buffer) {
  const start = 8 + new DataView(buffer).getUint32(4, true);
  const text = (from, to) => new TextDecoder().decode(new Uint8Array(buffer, from, to - from));
  const told = text(0, 4) === MAGIC ? JSON.parse(text(8, start)) : {};
  if (told.format !== 1) return null;
  const stream = new Blob([new Uint8Array(buffer, start)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const body = new Uint8Array(await new Response(stream).arrayBuffer());
  let at = 0;
  const table = (length) => new Uint16Array(body.slice(at, (at += 2 * length)).buffer);
  told.voi = told.voi && { ...told.voi, entries: table(told.voi.length) };
  told.modality = told.modality ? table(told.modality) : null;
  return new Gray(told.columns, told.rows, pixels(body.subarray(at), told), told);
}

/** Undo the differences. */
function pixels(planes, { rows, columns, bytes }) {
  const count = rows * columns;
  const values = bytes === 1 ? new Uint8Array(count) : new Uint16Array(count);
  const mask = bytes === 1 ? 0xff : 0xffff;
  for (let at = 0, value = 0; at < count; at += 1) {
    const folded = bytes === 1 ? planes[at] : planes[at] | (planes[at + count] << 8);
    value = (value + ((folded >>> 1) ^ -(folded & 1))) & mask;
    values[at] = value;
  }
  return values;
}
