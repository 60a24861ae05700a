/** Single keys as shortcuts: never while somebody writes, never with a modifier. */

const WRITING = "input:not([type=radio]):not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]";

/** Call `acts[key](event)` for single keys; an act that answers `false` leaves the key to the browser. */
export function onKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.(WRITING) || document.querySelector("dialog[open]")) return;
    const act = acts[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
}

/** `?` opens the list of keys. */
export const help = () => document.getElementById("keys")?.showModal();
