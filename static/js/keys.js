/** Single keys as shortcuts: never while somebody writes, never with a modifier, and not where they are switched off. */

const WRITING = "input:not([type=radio]):not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]";
const STORED = "single-keys";

const off = () => localStorage.getItem(STORED) === "off";
const list = () => document.getElementById("keys");

/** Call `acts[key](event)` for single keys; an act that answers `false` leaves the key to the browser. */
export function onKeys(acts) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest?.(WRITING) || document.querySelector("dialog[open]")) return;
    if (off() && (key.length === 1 || target.matches("input[type=radio]"))) return; // then answers are chosen as in any form
    const act = acts[key];
    if (act && act(event) !== false) event.preventDefault();
  });
}

function told() {
  const box = list()?.querySelector("[data-single-keys]");
  if (box) box.checked = !off();
}

/** `?` opens the list of keys. */
export function help() {
  told();
  list()?.showModal();
}

document.addEventListener("click", ({ target }) => { if (target.closest("[data-dialog=keys]")) told(); });
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-single-keys]")) localStorage.setItem(STORED, target.checked ? "on" : "off");
});
