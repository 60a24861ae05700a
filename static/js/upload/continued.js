/** Continuing an open upload: what is chosen or dropped next, in whatever way, belongs to it. */

import { showPanel } from "./dom.js";

let upload = null;

/** `{key, name}` of the upload that is continued, or null. */
export const continued = () => upload;

/** Show the zone for an upload that is open, or for a new one if none is named. */
export function continueWith(chosen) {
  upload = chosen;
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = (part.dataset.when === "continued") !== Boolean(upload);
  for (const place of document.querySelectorAll("[data-continued-name]")) place.textContent = upload?.name ?? "";
  document.querySelector("[data-choose-problem]").hidden = true;
  showPanel("choose");
}

/** One of the listed open uploads with this name at this site: probably the same folder, chosen again. */
export function openOne({ name, site }) {
  const buttons = Array.from(document.querySelectorAll("[data-continue]"));
  const same = name && buttons.find(({ dataset }) => dataset.name === name && dataset.site === site);
  return same ? uploadOf(same) : null;
}

export const uploadOf = ({ dataset }) => ({ key: dataset.continue, name: dataset.name });
