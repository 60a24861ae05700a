/** The quick answer: a dropped or chosen picture is sent at once. */

import { el } from "./upload/dom.js";
import { guardPage } from "./upload/zone.js";
import { t } from "./words.js";

const AGAIN = 3_000; // milliseconds until the verdict is asked for again after a failure

const form = document.querySelector("[data-quick]");
const zone = form.querySelector("[data-zone]");
const input = form.querySelector("input[type=file]");
let depth = 0;

guardPage();
const over = (by) => {
  depth = Math.max(0, depth + by);
  zone.classList.toggle("is-over", depth > 0);
};
zone.addEventListener("dragenter", () => over(1));
zone.addEventListener("dragleave", () => over(-1));
zone.addEventListener("drop", (event) => {
  over(-depth);
  if (!event.dataTransfer.files.length) return;
  const one = new DataTransfer();
  one.items.add(event.dataTransfer.files[0]);
  input.files = one.files;
  form.requestSubmit();
});
input.addEventListener("change", () => { if (input.files.length) form.requestSubmit(); });

const verdict = () => document.getElementById("verdict");
const notices = document.getElementById("notices");

form.addEventListener("htmx:beforeRequest", () => {
  notices.replaceChildren();
  for (const part of [form, verdict()]) part.setAttribute("aria-busy", "true");
});
form.addEventListener("htmx:afterRequest", () => {
  for (const part of [form, verdict()]) part.removeAttribute("aria-busy"); // after a refusal the old verdict stands
  input.value = ""; // the same picture may be asked about again
});
document.addEventListener("htmx:sendError", ({ detail }) => {
  say(detail.elt === form ? t("The service cannot be reached. Drop the picture again.") : t("The service cannot be reached. Asking again."));
});
// A verdict asks for itself by being loaded; where that fails it would never ask again.
document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful, xhr } }) => {
  const passes = !xhr.status || xhr.status === 429 || xhr.status >= 500;
  if (successful) notices.replaceChildren();
  else if (elt.id === "verdict" && passes) setTimeout(() => globalThis.htmx.trigger(verdict(), "again"), AGAIN);
});

function say(message) {
  notices.replaceChildren(el("div", { class: "notice notice-danger", role: "alert" }, el("div", {}, el("p", { class: "notice-message" }, message))));
}
