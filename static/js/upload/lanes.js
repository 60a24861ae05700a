/** Send what is missing: three lanes, each with batches of at most fifty files or 16 MB. */

import { call, Refused } from "./api.js";
import { Gone, refusedAsChanged, requireReadable } from "./readable.js";

const LANES = 3;
const FILES = 50;
const BYTES = 16 * 1000 * 1000;

/** Cut entries into batches. A file larger than a batch travels alone. */
export function batches(entries) {
  const all = [];
  let batch = [];
  let size = 0;
  for (const entry of entries) {
    if (batch.length && (batch.length === FILES || size + entry.file.size > BYTES)) {
      all.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(entry);
    size += entry.file.size;
  }
  if (batch.length) all.push(batch);
  return all;
}

/** Send all batches. `onProgress({files, bytes, refused})` tells how far; a refusal costs only its own file. */
export async function send(url, entries, { control, onProgress, onTrouble }) {
  const done = { files: 0, bytes: 0, refused: [] };
  const flying = new Map();
  const tell = () => onProgress({ ...done, bytes: done.bytes + sum(flying.values()) });
  const queue = batches(entries).values();
  const lane = async () => {
    for (const batch of queue) {
      await control.gate();
      const answers = await sendBatch(url, batch, { control, onTrouble, onSent: (sent) => { flying.set(batch, sent); tell(); } });
      flying.delete(batch);
      done.files += batch.length;
      done.bytes += sum(batch.map((entry) => entry.file.size));
      done.refused.push(...refusals(batch, answers));
      tell();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return done;
}

async function sendBatch(url, batch, options) {
  const form = new FormData();
  for (const { path, file } of batch) {
    form.append("path", path); // a form keeps only the last part of a file's name
    form.append("file", file, "file");
  }
  try {
    const { body } = await call("POST", `${url}files/`, { form, onLost: () => requireReadable(batch), ...options });
    return body.files;
  } catch (error) {
    if (error instanceof Gone) return withoutGone(url, batch, error.entries, options);
    if (!(error instanceof Refused) || batch.length === 1) throw error;
    if (error.status !== 413) throw error;
    const halves = [batch.slice(0, batch.length / 2), batch.slice(batch.length / 2)];
    return (await Promise.all(halves.map((half) => sendBatch(url, half, options)))).flat();
  }
}

/** Send the rest of a batch. Answers stand in the order of the batch, for the files that are gone too. */
async function withoutGone(url, batch, gone, options) {
  options.onTrouble?.(null); // the service was never away
  const rest = batch.filter((entry) => !gone.has(entry));
  const answers = rest.length ? await sendBatch(url, rest, options) : [];
  const next = answers.values();
  return batch.map((entry) => (gone.has(entry) ? refusedAsChanged(entry) : next.next().value));
}

const refusals = (batch, answers) => batch
  .map((entry, place) => ({ path: entry.path, ...answers[place] }))
  .filter((answer) => answer.state !== "received" && answer.code);

const sum = (numbers) => Array.from(numbers).reduce((total, n) => total + n, 0);
