/** What was chosen and typed and not recorded is kept in this tab, for this reader and study, and comes back as a draft. */

const form = () => document.querySelector("[data-answer-form]");
const key = (one) => `draft ${one.dataset.answerForm} ${one.getAttribute("action")}`;
const typed = (one) => JSON.stringify(Array.from(new FormData(one)).filter(([name]) => /^(answer|reason|comment|box)/.test(name)));
const given = new WeakMap(); // what forms held when they came

/** Keep what is not recorded, on every way off the page. Whether there was anything. */
export function keepDraft() {
  const one = form();
  if (!one || one.dataset.sent) return false;
  const now = typed(one);
  const kept = now !== given.get(one) || "unsaved" in one.dataset;
  if (kept) sessionStorage.setItem(key(one), now);
  else sessionStorage.removeItem(key(one));
  return kept;
}

export function watchDrafts() {
  window.addEventListener("pagehide", keepDraft);
  document.addEventListener("htmx:beforeOnLoad", ({ detail, target }) => {
    if (!target.matches("[data-answer-form]") || detail.xhr.status >= 300) return;
    sessionStorage.removeItem(key(target)); // recorded, or refused: then the form that comes holds it
    target.dataset.sent = "yes";
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => { if (detail.target.id === "answers") note(); });
  document.addEventListener("reset", ({ target }) => { target.querySelector("[data-draft]")?.setAttribute("hidden", ""); });
}

const note = () => { if (form()) given.set(form(), typed(form())); };

/** Bring what was kept back into the form of the same study, and say what it is. */
export function restoreDraft() {
  note();
  const one = form();
  const kept = one && sessionStorage.getItem(key(one));
  if (!kept || kept === given.get(one)) return;
  for (const [name, value] of JSON.parse(kept)) {
    const field = one.elements.namedItem(name);
    if (field) field.value = value; // a list of radio buttons marks the one with this value
  }
  one.querySelector("[data-draft]").hidden = false;
}
