// Building elements, and the colours of the moment. Text is always text: nothing here parses HTML.

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
export const heading = (content, attributes = {}) => h("th", { scope: "col", ...attributes }, content);

/** A table of figures with the cells of its head and its rows. */
export const figures = (heads, rows) => h("table", { class: "figures" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));

/** A table that scrolls sideways in its place, by keyboard too; `label` is what it holds. */
export const scroller = (label, table) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const tokens = new Map();
const probe = h("i", { class: "hidden" });

/** The present value of a colour token, as a canvas takes it; asked for dozens of times a drawing, so that it is kept. */
export function token(name, alpha = 1) {
  const key = `${name} ${alpha}`;
  if (!tokens.has(key)) tokens.set(key, resolved(name, alpha));
  return tokens.get(key);
}

/** A token may be light-dark(): an element that has it as its colour tells what that is now. */
function resolved(name, alpha) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
  return alpha === 1 ? `rgb(${red}, ${green}, ${blue})` : `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** Read the tokens again when next asked for. */
export const recolour = () => tokens.clear();

/** A sentence for screen readers, and for the eye at the foot of the page. */
export function say(sentence) {
  const place = $("#say");
  if (place) place.textContent = sentence;
}
