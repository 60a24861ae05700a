/** Files that are not sent, grouped by reason: thousands of refusals stay a short list. */

import { el } from "./dom.js";
import { count } from "./text.js";
import { t, tn } from "../words.js";

const SHOWN = 5; // paths named for each reason

/** One group for each reason, with the first paths. `refused` holds `{path, code, message, what_to_do}`. */
export function refusedGroups(refused, { open = false } = {}) {
  const groups = new Map();
  for (const one of refused) {
    const group = groups.get(one.code) ?? { ...one, paths: [] };
    group.paths.push(one.path);
    groups.set(one.code, group);
  }
  return Array.from(groups.values(), (group) => el("details", { class: "refused", open },
    el("summary", {}, tn("{n} file refused: {why}", "{n} files refused: {why}", group.paths.length, { why: group.message })),
    el("p", { class: "small muted" }, group.what_to_do ?? ""),
    el("ul", {}, ...group.paths.slice(0, SHOWN).map((path) => el("li", { class: "path" }, path)),
      group.paths.length > SHOWN ? el("li", { class: "muted" }, t("and {n} more", { n: count(group.paths.length - SHOWN) })) : null)));
}
