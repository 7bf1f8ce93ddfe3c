// Building elements. Text is always text: nothing here parses HTML.

/** An element: `h("td", {class: "number", title: "n"}, "12", child)`. Functions become listeners, null and false are left out. */
export function h(name, attributes = {}, ...children) {
  const [tag, namespace] = name.startsWith("svg:") ? [name.slice(4), "http://www.w3.org/2000/svg"] : [name, null];
  const element = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key === "colour") element.style.setProperty("--colour", value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A column's heading. */
export const heading = (text, attributes = {}) => h("th", { scope: "col", ...attributes }, text);

/** A table of figures with the cells of its head and its rows. */
export const figures = (heads, rows) => h("table", { class: "figures" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));

/** A table that scrolls sideways in its place, by keyboard too; `label` is what it holds. */
export const scroller = (label, table) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);

/** What the server put into the page. */
export const frame = JSON.parse(document.body.dataset.frame);

/** The path under which a proxy serves us, "" without one: every path starts with it. */
export const base = frame.base;

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const tokens = new Map();

/** The present value of a colour token; asked for dozens of times a drawing, so that it is kept until the scheme changes. */
export function token(name) {
  if (!tokens.has(name)) tokens.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return tokens.get(name);
}

/** A colour token with transparency, as two hexadecimal digits. */
export const shade = (name, alpha) => token(name) + alpha;

/** Read the tokens again when next asked for. */
export const recolour = () => tokens.clear();

/** A sentence for screen readers, and for the eye at the foot of the page. */
export function say(sentence) {
  const place = $("#say");
  if (place) place.textContent = sentence;
}
