/** Numbers as people read them. */

import { number, t, tn } from "../words.js";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const count = (n) => number(n);

export const files = (n) => tn("{n} file", "{n} files", n);

export function bytes(n) {
  let unit = 0;
  let value = n;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? number(value, 1) : number(Math.round(value))} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 60) return t("{n} s", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 3600) return t("{n} min", { n: Math.round(seconds / 60) });
  return t("{h} h {m} min", { h: Math.floor(seconds / 3600), m: Math.round((seconds % 3600) / 60) });
}
