/** Building small pieces of a page. Text is always text: a file's name can hold anything. */

/** An element with attributes and children; strings become text nodes. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** Show one panel of the page and hide the others; the shown one takes the focus. */
export function showPanel(name) {
  for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== name;
  const heading = $(`[data-panel="${name}"] [tabindex="-1"]`);
  heading?.focus({ preventScroll: true });
  heading?.scrollIntoView({ block: "nearest" });
}
