/** SHA-256 of a file, in slices where it is large, so that memory stays small. */

const WHOLE = 32 * 1024 * 1024; // up to here a file is read at once, for the browser's own digest
const SLICE = 4 * 1024 * 1024;

/** 64 hexadecimal digits. `control` may pause or stop between slices. */
export async function sha256(file, control) {
  // The browser offers its own digest only on https and localhost.
  if (globalThis.crypto?.subtle && file.size <= WHOLE) {
    return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
  }
  const digest = await globalThis.hashwasm.createSHA256();
  digest.init();
  for (let at = 0; at < file.size; at += SLICE) {
    await control.gate();
    digest.update(new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer()));
  }
  return digest.digest("hex");
}

/** SHA-256 of a small piece as `Content-Digest` wants it. */
export async function sha256Base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const digest = globalThis.crypto?.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    : (await globalThis.hashwasm.createSHA256()).init().update(bytes).digest("binary");
  return btoa(String.fromCharCode(...digest));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
