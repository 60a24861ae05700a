/** The limits that can be told from names and sizes, before anything is hashed. The service checks them all again. */

import { isArchive } from "./files.js";
import { UNREADABLE } from "./readable.js";
import { count } from "./text.js";

const EMPTY = { code: "empty_here", message: "The zip is empty.", what_to_do: "Make it again." };
const ASK = "Send a smaller one, or ask the operator to raise the limit.";

/** Part what may be sent from what may not. What is refused here is not hashed, not offered, and on no receipt. */
export function sift(entries, limits) {
  const kept = [];
  const refused = [];
  for (const entry of entries) {
    const why = reason(entry, limits);
    if (why) refused.push({ path: entry.path, ...why });
    else kept.push(entry);
  }
  return { kept, refused };
}

function reason(entry, limits) {
  if (!entry.file) return UNREADABLE;
  if (isArchive(entry)) {
    if (!entry.file.size) return EMPTY;
    return entry.file.size > Number(limits.limitArchiveBytes) ? tooLarge(`a zip of at most ${limits.limitArchive}`) : null;
  }
  return entry.file.size > Number(limits.limitFileBytes) ? tooLarge(`a file of at most ${limits.limitFile}`) : null;
}

const tooLarge = (most) => ({ code: `too_large_here ${most}`, message: `The service takes ${most}.`, what_to_do: ASK });

/** What is wrong with the number of files; nothing if they are not too many. */
export function tooMany(entries, limits) {
  const files = entries.filter((entry) => !isArchive(entry)).length;
  if (files <= Number(limits.limitFiles)) return "";
  return `These are ${count(files)} files; an upload takes at most ${count(Number(limits.limitFiles))}. Choose fewer at a time.`;
}
