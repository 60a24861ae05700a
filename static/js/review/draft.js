/** What was typed survives that a stale page is opened anew: kept in this tab, for this study, until it was sent or shown. */

const key = (form) => `draft ${form.getAttribute("action")}`;

/** Keep what stands in the form when somebody asks for the study as it is now. */
export function watchDrafts() {
  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-look-again]") && document.querySelector("[data-answer-form]");
    if (!form) return;
    const typed = Array.from(new FormData(form)).filter(([name]) => name.startsWith("answer-") || name.startsWith("reason-") || name === "comment");
    sessionStorage.setItem(key(form), JSON.stringify(typed));
  });
}

/** Bring what was kept back into the form of the same study. */
export function restoreDraft() {
  const form = document.querySelector("[data-answer-form]");
  const kept = form && sessionStorage.getItem(key(form));
  if (!kept) return;
  sessionStorage.removeItem(key(form));
  for (const [name, value] of JSON.parse(kept)) {
    const field = form.elements.namedItem(name);
    if (field) field.value = value; // a list of radio buttons marks the one with this value
  }
}
