/** Texts and numbers in the language of the page. English stands in the code; the page brings the words of another one. */

export const language = document.documentElement.lang || "en";

const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const rules = new Intl.PluralRules(language);
// The forms of a language, in the order in which catalogues hold them.
const forms = ["zero", "one", "two", "few", "many", "other"].filter((name) => rules.resolvedOptions().pluralCategories.includes(name));

const filled = (text, told) => text.replace(/\{(\w+)\}/g, (all, name) => told[name] ?? all);

/** A text, with what it tells of in place of names in braces. */
export const t = (text, told = {}) => filled(words[text] ?? text, told);

/** A text about a number of things; `{n}` stands for the number. */
export function tn(one, many, n, told = {}) {
  const known = words[one];
  const text = known ? known[Math.min(forms.indexOf(rules.select(n)), known.length - 1)] : [many, one][Number(n === 1)];
  return filled(text, { n: number(n), ...told });
}

const whole = new Intl.NumberFormat(language);

/** A number as people read it, with so many decimals if it is told how many. */
export function number(value, places) {
  if (places === undefined) return whole.format(value);
  return new Intl.NumberFormat(language, { minimumFractionDigits: places, maximumFractionDigits: places }).format(value);
}
