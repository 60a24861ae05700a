/** The line over the picture that says, politely and for a moment, what a key did or why it could not. */

const STAYS = 6_000; // milliseconds
let due = 0;

export function tell(text) {
  const line = document.querySelector("[data-said]");
  if (!line) return;
  line.textContent = text;
  clearTimeout(due);
  due = setTimeout(() => { line.textContent = ""; }, STAYS);
}

/** Say one of the sentences that the page brings. Always true, so that an act that ends with it has acted. */
export function say(name) {
  tell(document.querySelector("[data-said]")?.dataset[name] ?? "");
  return true;
}
