/** Holds the study that a page shows: claimed when it opens, prolonged while somebody works on it, given back on leaving. */

const RENEW = 60_000; // milliseconds; the service lets go after three minutes
const IDLE = 5 * 60_000; // without a key or the mouse, after which the study is let go

let token = "";
let touched = performance.now();
for (const kind of ["keydown", "pointermove", "wheel"]) document.addEventListener(kind, () => { touched = performance.now(); }, { passive: true });

const place = () => document.getElementById("claim");

function post(url, more = {}) {
  const headers = { "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"] };
  return fetch(url, { method: "POST", credentials: "same-origin", headers, body: new URLSearchParams({ token }), ...more });
}

/** Claim the study of this page, or prolong that. What is said about it stands above the answer. */
export async function claim() {
  const here = place();
  if (!here) return;
  const answer = await post(here.dataset.claim).catch(() => null); // no network: the answer itself will tell
  if (!answer?.ok || answer.status === 204 || here !== place()) return;
  here.innerHTML = await answer.text();
  token = here.querySelector("[data-token]")?.dataset.token ?? "";
}

/** Give the study of this page back. */
export function release() {
  const here = place();
  if (here && token) post(here.dataset.release, { keepalive: true }).catch(() => null);
  token = "";
}

/** The page shows another study, which the service has claimed for it already. */
export function holds(known) {
  token = known;
}

export function keepClaimed() {
  claim();
  setInterval(() => { if (performance.now() - touched < IDLE) claim(); }, RENEW);
  window.addEventListener("pagehide", release);
  window.addEventListener("pageshow", (event) => { if (event.persisted) claim(); });
}
