/** What was picked or dropped, as `{path, file}`. Paths stay as the person's folder has them. */

/** Files that systems leave in folders; nobody means to send them. They are counted, never sent. */
const SYSTEM = new Set([".ds_store", "thumbs.db", "desktop.ini", ".gitkeep"]);

export const isArchive = ({ path }) => path.toLowerCase().endsWith(".zip");

export function withoutSystemFiles(entries) {
  const kept = entries.filter(({ path }) => !isSystem(path));
  return { kept, left: entries.length - kept.length };
}

function isSystem(path) {
  const parts = path.toLowerCase().split("/");
  return SYSTEM.has(parts[parts.length - 1]) || parts.includes("__macosx");
}

/** Files of an `<input type="file">`, of a folder or picked one by one. */
export function fromInput(list) {
  return Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/**
 * Files of a drop, folders walked to their leaves.
 *
 * The entries must be taken before the first await: the browser empties the drop afterwards.
 * What cannot be read has no `file`; it costs only itself.
 */
export async function fromDrop(transfer) {
  const roots = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return fromInput(transfer.files);
  const found = [];
  for (const root of roots) await walk(root, found);
  return found;
}

async function walk(entry, found) {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    else await walkFolder(entry, found);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    found.push({ path: entry.isFile ? path : `${path}/`, file: null });
  }
}

async function walkFolder(entry, found) {
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred at a time and an empty list at the end.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const child of part) await walk(child, found);
  }
}
