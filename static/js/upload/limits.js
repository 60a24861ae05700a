/** The limits that can be told from names and sizes, before anything is hashed. The service checks them all again. */

import { isArchive } from "./files.js";
import { UNREADABLE } from "./readable.js";
import { count } from "./text.js";
import { t } from "../words.js";

const EMPTY = { code: "empty_here", message: t("The zip is empty."), what_to_do: t("Make it again.") };
const ASK = t("Send a smaller one, or ask the operator to raise the limit.");

/**
 * Part what may be sent (`kept`) from what may not.
 *
 * Files over the limit or out of reach (`left`) are offered without a hash, so that the receipt names them.
 * Folders and zips (`refused`) are no items: they are said here alone.
 */
export function sift(entries, limits) {
  const kept = [];
  const left = [];
  const refused = [];
  for (const entry of entries) {
    const why = reason(entry, limits);
    if (!why) kept.push(entry);
    else if (isArchive(entry) || entry.path.endsWith("/")) refused.push({ path: entry.path, ...why });
    else left.push({ path: entry.path, file: entry.file ?? new File([], ""), left: why });
  }
  return { kept, left, refused };
}

function reason(entry, limits) {
  if (!entry.file) return UNREADABLE;
  if (isArchive(entry)) {
    if (!entry.file.size) return EMPTY;
    return entry.file.size > Number(limits.limitArchiveBytes) ? tooLarge(t("The service takes a zip of at most {size}.", { size: limits.limitArchive })) : null;
  }
  return entry.file.size > Number(limits.limitFileBytes) ? tooLarge(t("The service takes a file of at most {size}.", { size: limits.limitFile })) : null;
}

const tooLarge = (message) => ({ code: `too_large_here ${message}`, message, what_to_do: ASK });

/** What is wrong with the number of files; nothing if they are not too many. */
export function tooMany(entries, limits) {
  const files = entries.filter((entry) => !isArchive(entry)).length;
  if (files <= Number(limits.limitFiles)) return "";
  return t("These are {n} files; an upload takes at most {most}. Choose fewer at a time.", { n: count(files), most: count(Number(limits.limitFiles)) });
}
