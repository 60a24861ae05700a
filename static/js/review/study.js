/** The study page: the room with its pictures, the whole answer by keyboard, and the way to the next study. */

import { help, onKeys } from "../keys.js";
import { answering, focusOutcome, mark } from "./answering.js";
import { claim, holds, keepClaimed, release } from "./claim.js";
import { keepDraft, restoreDraft, watchDrafts } from "./draft.js";
import { fetchEarly } from "./pictures.js";
import { Room } from "./room.js";
import { say } from "./said.js";
import { carryUndo, watchUndo } from "./undo.js";

const QUIET = 400; // milliseconds after the first paint, before anything is fetched for the next study
const told = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "[]");

let room = null;
let early = 0;
let confirmed = null; // settles once the service has said whose the shown study is: another reader may have taken it
let ahead = null; // the page of the study that comes next, fetched while this one is read
open();
keepClaimed();
watchDrafts();
if (document.querySelector("#answers .notice-good")) focusOutcome(); // an answer that opened the whole page
const own = { ...answering(() => confirmed), "?": help };
onKeys(new Proxy(own, { get: (_, key) => own[key] ?? room?.keys[key] }));

/** Start what the page shows. */
function open() {
  const slices = told("slices");
  const root = document.querySelector("[data-viewer]");
  restoreDraft();
  watchUndo();
  mark();
  room = slices.length ? new Room(root, slices) : null;
  const fetchNext = () => { early = setTimeout(() => { told("next-pictures").forEach(fetchEarly); fetchAhead(); }, QUIET); };
  root.querySelector("[data-stage]").addEventListener("ready", fetchNext, { once: true });
}

/** In the order of reading: fetch the page that `next` would open now, and its first picture. Nothing is claimed by that. */
async function fetchAhead() {
  const form = document.querySelector("[data-next-form]");
  if (!form) return;
  const { url } = await fetch(form.dataset.peek).then((answer) => answer.json()).catch(() => ({}));
  const page = url ? await load(url, { Purpose: "prefetch" }) : null;
  if (!page || !form.isConnected) return;
  const slices = JSON.parse(page.getElementById("slices").textContent);
  const start = Number(page.querySelector("[data-viewer]").dataset.start);
  if (slices[start]) fetchEarly(slices[start].url);
  ahead = { url, page };
  form.dataset.ahead = "yes";
}

async function load(url, headers = {}) {
  const answer = await fetch(url, { credentials: "same-origin", headers }).catch(() => null);
  const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  return page?.querySelector("#content [data-study]") ? page : null;
}

/** Show another study in place of this one: scripts and styles are here, and so may be its first picture. */
async function go(url) {
  const page = await load(url);
  if (page) {
    release();
    carryUndo(page);
    show(url, page);
    claim();
  } else location.assign(url); // signed out, or gone: the whole page says what it is
}

/**
 * Give this study back and go on to the one that comes next.
 *
 * What was fetched ahead is shown at once, while the service claims what comes next: nearly always the same study. Until
 * it has said so nothing can be answered, and where it names another one that is shown instead.
 */
async function goOn(form) {
  const body = new URLSearchParams(new FormData(form));
  const asked = fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  const early = ahead;
  holds(""); // the service gives the study that is left back by itself
  if (early) {
    carryUndo(early.page);
    show(early.url, early.page);
    confirmed = asked;
    waiting(true);
  }
  const next = await asked;
  if (early && next?.url === early.url) {
    holds(next.token);
    waiting(false);
    return;
  }
  const page = next && await load(next.url);
  if (page) show(next.url, page, next.token, early);
  else location.assign(next?.url ?? early?.url ?? location.href); // the list, where nothing waits; or no network
}

function waiting(so) {
  const button = document.querySelector("[data-answer-form] [type=submit]");
  if (button) button.disabled = so;
}

/** `instead`: of what was shown a moment ago and is another reader's by now. */
function show(url, page, token = "", instead = null) {
  const kept = keepDraft();
  clearTimeout(early);
  holds(token);
  ahead = null;
  confirmed = null;
  room?.close();
  const here = document.getElementById("content");
  here.replaceChildren(...page.getElementById("content").childNodes);
  document.title = page.title;
  if (instead) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  globalThis.htmx.process(here);
  window.scrollTo(0, 0);
  here.focus({ preventScroll: true });
  open();
  if (kept) say("kept");
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-next-form]")) return;
  event.preventDefault();
  if (event.target.dataset.under) return;
  event.target.dataset.under = "way";
  goOn(event.target);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-next]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.href);
});
window.addEventListener("popstate", () => location.reload());
