/** Whether a chosen file is still the one that was looked at. Over one that is not, the browser breaks off a whole request. */

import { t } from "../words.js";

export const UNREADABLE = {
  state: "unreadable",
  code: "unreadable_here",
  message: t("The browser could not read it."),
  what_to_do: t("Check that it is still there and may be read, then choose it again."),
};

const CHANGED = {
  state: "unreadable",
  code: "changed_here",
  message: t("It changed, moved or went away after it was looked at, and was not sent."),
  what_to_do: t("Send it with another upload once it is at rest."),
};

/** Some entries can no longer be sent; the others of the same request can. */
export class Gone extends Error {
  constructor(entries) {
    super(CHANGED.message);
    this.entries = new Set(entries);
  }
}

export const refusedAsChanged = ({ path }) => ({ path, ...CHANGED });

/** Remember how a file is when it is looked at. */
export function note(entry) {
  entry.seen = { size: entry.file.size, modified: entry.file.lastModified };
}

/** Throw `Gone` if any of them is no longer as it was noted, or no byte of it can be read. */
export async function requireReadable(entries) {
  const still = await Promise.all(entries.map(isReadable));
  const gone = entries.filter((_entry, place) => !still[place]);
  if (gone.length) throw new Gone(gone);
}

async function isReadable({ file, seen }) {
  if (file.size !== seen.size || file.lastModified !== seen.modified) return false;
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/** What `act` reads of a file; `Gone` where the browser may not read it any more. */
export async function read(act, entries = []) {
  try {
    return await act();
  } catch (error) {
    if (error instanceof DOMException) throw new Gone(entries);
    throw error;
  }
}
