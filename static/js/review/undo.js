/** The way back from an answer goes when its seconds are over. */

function watch() {
  for (const form of document.querySelectorAll("form[data-undo]:not([data-watched])")) {
    form.dataset.watched = "yes";
    setTimeout(() => form.querySelector("button")?.remove(), Number(form.dataset.undo) * 1000);
  }
}

/** Watch what the page holds now, and what comes into it. */
export function watchUndo() {
  watch();
}

document.addEventListener("htmx:afterSwap", watch);

export const undo = () => {
  const button = document.querySelector("[data-key-z]");
  button?.click();
  return Boolean(button);
};
