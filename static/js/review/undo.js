/** The way back from the answer given last. It goes when its seconds are over. */

const ways = []; // forms that take an answer back, in the order in which the page got them

function watch() {
  for (const form of document.querySelectorAll("form[data-undo]:not([data-watched])")) {
    form.dataset.watched = "yes";
    ways.push(form);
    setTimeout(() => form.querySelector("button")?.remove(), Number(form.dataset.undo) * 1000);
  }
}

/** Watch what the page holds now, and what comes into it. */
export function watchUndo() {
  watch();
}

document.addEventListener("htmx:afterSwap", watch);

const latest = () => ways.findLast((form) => form.isConnected && form.querySelector("[data-key-z]"));

/** Take the way back along to a page that was fetched before: it knows nothing of what was answered since. */
export function carryUndo(page) {
  for (const form of page.querySelectorAll("form[data-undo]")) form.remove();
  const way = latest();
  if (way) page.getElementById("answers").before(way);
}

export const undo = () => {
  const form = latest();
  form?.querySelector("[data-key-z]").click();
  return Boolean(form);
};
