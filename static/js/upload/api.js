/** Calls to the API: the session's cookie, the CSRF header, back-off, and errors in the service's own words. */

import { Stopped } from "./control.js";
import { language, t } from "../words.js";

const UNANSWERED = 0; // the service was not reached, or a file of the body cannot be read
const AGAIN = new Set([UNANSWERED, 408, 425, 429, 500, 502, 503, 504]);
const LONGEST = 30_000; // milliseconds between two tries

/** A refusal: what happened, what to do, and a stable code. */
export class Refused extends Error {
  constructor(status, { code = "error", message = "", what_to_do = "" } = {}) {
    super([message || t("The service answered {status}.", { status }), what_to_do].filter(Boolean).join(" "));
    this.status = status;
    this.code = code;
  }
}

const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";

/**
 * One request with JSON or a form, tried again while the service cannot be reached.
 *
 * `onLost` is asked after each try without an answer: what it throws ends the trying.
 */
export function call(method, url, { json, form, blob, headers = {}, control, onSent, onTrouble, onLost, tries = Infinity } = {}) {
  const body = json === undefined ? (form ?? blob ?? null) : JSON.stringify(json);
  const all = { "X-CSRFToken": cookie("csrftoken"), "X-Page-Language": language, Accept: "application/json", ...headers };
  if (json !== undefined) all["Content-Type"] = "application/json";
  return again(() => once(method, url, { body, headers: all, control, onSent }), { control, onTrouble, onLost, tries });
}

async function again(attempt, { control, onTrouble, onLost, tries }) {
  for (let n = 1; ; n += 1) {
    await control?.gate();
    try {
      const answer = await attempt();
      if (n > 1) onTrouble?.(null);
      return answer;
    } catch (error) {
      if (!(error instanceof Refused) || !AGAIN.has(error.status) || n >= tries) throw error;
      if (error.status === UNANSWERED) await onLost?.();
      const wait = Math.min(LONGEST, 500 * 2 ** Math.min(n, 6)) * (0.75 + Math.random() / 2);
      onTrouble?.({ error, wait });
      await control.sleep(wait);
    }
  }
}

/** XMLHttpRequest, since fetch does not tell how much of a body has left. */
function once(method, url, { body, headers, control, onSent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const settle = (act, value) => { control?.signal.removeEventListener("abort", stop); act(value); };
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
    request.onload = () => {
      const ok = request.status >= 200 && request.status < 300;
      const answer = parsed(request.responseText);
      if (ok) settle(resolve, { body: answer, header: (name) => request.getResponseHeader(name) });
      else settle(reject, new Refused(request.status, answer ?? {}));
    };
    request.onerror = () => settle(reject, new Refused(0, { code: "unreachable", message: t("The service cannot be reached.") }));
    request.onabort = () => settle(reject, new Stopped());
    control?.signal.addEventListener("abort", stop, { once: true });
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // an answer of the proxy, not of the service
  }
}
