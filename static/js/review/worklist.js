/** The worklist by keyboard: j and k mark a study, Enter opens it, n opens the first. */

import { help, onKeys } from "../keys.js";

const links = Array.from(document.querySelectorAll("[data-worklist] .row-target"));

function step(by) {
  const at = links.indexOf(document.activeElement);
  const to = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
  links[to]?.focus();
  links[to]?.closest("tr").scrollIntoView({ block: "nearest" });
}

onKeys({
  j: () => step(1),
  k: () => step(-1),
  n: () => links[0]?.click(),
  "?": help,
});
