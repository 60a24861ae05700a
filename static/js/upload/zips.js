/** Which zip is which when an upload goes on: none is sent twice, and the one on its way is not begun anew. */

import { sha256 } from "./hash.js";

const EDGE = 64 * 1024; // the first member and the list of all members stand at the ends
const NOTES = "zips";
const KEPT = 50;

/** What a zip is known by: its size and the hash of its ends. Two of one size differ in their lists of members. */
export async function markOf({ file }, control) {
  const ends = new Blob([file.slice(0, EDGE), file.slice(-EDGE)]);
  return `${file.size}:${await sha256(ends, control)}`;
}

/** Note in this browser which zip the service knows under this key. */
export function remember(archive, mark) {
  const others = notes().filter(([key]) => key !== archive);
  try {
    localStorage.setItem(NOTES, JSON.stringify([...others, [archive, mark]].slice(-KEPT)));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // no storage here: sizes must do
  }
}

function notes() {
  try {
    return JSON.parse(localStorage.getItem(NOTES)) ?? [];
  } catch {
    return [];
  }
}

/**
 * Set `stored` of each chosen zip: how many of its bytes the service has, from the archives of its upload.
 *
 * One that this browser sent is known by its mark, one that came another way by its size alone.
 * Answers the archive that is on its way and was not chosen, if there is one.
 */
export function matchZips(entries, archives) {
  const marks = new Map(notes());
  const left = archives.filter(({ state }) => state !== "cancelled");
  const ways = [
    (entry, { archive }) => marks.get(archive) === entry.mark,
    (entry, { archive, size }) => !marks.has(archive) && size === entry.file.size,
  ];
  const open = new Set(entries);
  for (const fits of ways) {
    for (const entry of open) {
      const at = left.findIndex((archive) => fits(entry, archive));
      if (at < 0) continue;
      entry.stored = left.splice(at, 1)[0].offset;
      open.delete(entry);
    }
  }
  return left.find(({ state }) => state === "receiving") ?? null;
}

/** Those of which something is left to send, the one on its way first: a part of another would take its place. */
export function unsent(entries) {
  const some = entries.filter(({ file, stored }) => stored < file.size);
  return some.sort((a, b) => Number(b.stored > 0) - Number(a.stored > 0));
}
