// What every page has, of ours and of Datasette's: light or dark, local time or UTC, paper, and the keyboard.

import { $, $$, recolour } from "./dom.js";
import { instant, moment, stamp, zone, zoneName } from "./format.js";
import * as url from "./url.js";

const SETTLED_MS = 150;
const KEY = "perfkit colours"; // scheme.js reads it before the page is painted
const dark = matchMedia("(prefers-color-scheme: dark)");

const shownScheme = () => document.documentElement.dataset.scheme ?? (dark.matches ? "dark" : "light");

/** Call `redraw()` whenever the page looks different; it draws in the colours and the width of the moment. */
export function onLooks(redraw = () => {}) {
  let timer = 0;
  const recoloured = () => {
    recolour();
    redraw();
  };
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(redraw, SETTLED_MS);
  });
  addEventListener("perfkit:colours", recoloured);
  for (const [event, printing] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    addEventListener(event, () => {
      if ($("#printed")) $("#printed").textContent = imprint();
      document.documentElement.classList.toggle("printing", printing);
      recoloured();
    });
  }
}

/** What is printed, from where, and in which time zone its times are. */
function imprint() {
  const utc = url.utc();
  return [location.href, $("#stretch")?.textContent, `times in ${zoneName(utc)}`, `printed ${instant(Date.now(), utc)}`]
    .filter(Boolean)
    .join(" · ");
}

/** Show the other colours, and keep that in this browser; what the system has anyway is not kept. */
function switchScheme() {
  const next = shownScheme() === "dark" ? "light" : "dark";
  const system = dark.matches ? "dark" : "light";
  try {
    if (next === system) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing still shows them until the page is left.
  }
  if (next === system) delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = next;
  coloured();
}

function coloured() {
  $("#scheme")?.setAttribute("aria-pressed", String(shownScheme() === "dark"));
  dispatchEvent(new Event("perfkit:colours"));
}

/** The switches as they stand, and the zone in every instant and in every link to another page. */
function settle() {
  const utc = url.utc();
  $("#utc")?.setAttribute("aria-pressed", String(utc));
  for (const time of $$("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    const [from, to] = time.dataset.within?.split(" ").map(Number) ?? [];
    const exact = time.classList.contains("instant");
    time.textContent = exact ? stamp(at, utc) : `${from ? moment(at, { from, to, utc }) : instant(at, utc)} ${zone(at, utc)}`;
    if (exact) time.title = utc ? "" : stamp(at, true);
  }
  if (!document.body.dataset.frame) datasette();
  for (const anchor of $$("a[data-page]")) {
    anchor.dataset.page ||= anchor.getAttribute("href");
    // What is compared is the machine, or the phase of it that is shown.
    const { page, subject, window } = anchor.dataset;
    const changes = subject ? { c: subject + url.reference() } : {};
    anchor.href = url.carry(page, { changes, keep: window !== undefined });
  }
}

// What a field of Datasette's forms without a label is for.
const FIELDS = { _filter_column: "Column", _filter_op: "Condition", _filter_value: "Value", _sort: "Sort by", sql: "SQL" };

// A table that is wider than the page is scrolled by keyboard too.
const SCROLLS = { tabindex: "0", role: "region", "aria-label": "Rows" };

/** What Datasette's pages lack for readers who do not see them, the names of columns in words, and a short link where a row has a long key. */
function said() {
  document.documentElement.lang = "en";
  for (const field of $$("section.content :is(select, input, textarea)")) {
    const words = Object.entries(FIELDS).find(([name]) => field.name.startsWith(name))?.[1];
    if (words && !field.labels?.length) field.setAttribute("aria-label", words);
  }
  for (const column of $$("th[data-column-description]")) column.title = column.dataset.columnDescription;
  for (const anchor of $$("td.col-Link a")) Object.assign(anchor, { title: anchor.textContent, textContent: "row" });
  for (const table of $$(".table-wrapper")) for (const [name, value] of Object.entries(SCROLLS)) table.setAttribute(name, value);
}

/** The zone in what leads from one of Datasette's pages to another. */
function datasette() {
  for (const anchor of $$("section.content a[href], .crumbs a[href]")) {
    const { origin, pathname, search, hash } = anchor;
    if (origin !== location.origin || /\.(csv|json)$/.test(pathname) || anchor.getAttribute("href").startsWith("#")) continue;
    anchor.href = url.carry(pathname + search) + hash;
  }
  for (const form of $$("section.content form[method=get]")) url.keepZone(form);
}

/** Bind the page's keys to {range(name), move(part), zoom(factor), unzoom()}. */
export function keys(does) {
  const actions = {
    ArrowLeft: () => does.move(-0.5),
    ArrowRight: () => does.move(0.5),
    "+": () => does.zoom(0.5),
    "=": () => does.zoom(0.5),
    "-": () => does.zoom(2),
    0: () => does.unzoom(),
    p: () => $("#p95")?.click(),
    "?": () => help(),
  };
  Object.keys(url.RANGES).forEach((name, i) => (actions[i + 1] = () => does.range(name)));
  addEventListener("click", (event) => closeMenus((menu) => !menu.contains(event.target)));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus();
    if (!isForPage(event)) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  $("#keys")?.addEventListener("click", help);
}

/** Whether a key is meant for the page, not for the browser or for a field that is typed in. */
const isForPage = ({ ctrlKey, metaKey, altKey, target }) =>
  !(ctrlKey || metaKey || altKey || target.closest?.("input, select, textarea, dialog, [contenteditable]"));

/** Close the panels' menus that are open; who was in one is back at its button. */
function closeMenus(which = () => true) {
  for (const menu of $$("details.menu[open]").filter(which)) {
    if (menu.contains(document.activeElement)) $("summary", menu).focus();
    menu.open = false;
  }
}

function help() {
  $("#help")?.showModal();
}

$("#scheme")?.setAttribute("aria-pressed", String(shownScheme() === "dark"));
$("#scheme")?.addEventListener("click", switchScheme);
$("#utc")?.addEventListener("click", url.switchZone);
addEventListener("keydown", (event) => {
  if (event.key === "u" && isForPage(event)) $("#utc")?.click();
});
dark.addEventListener("change", coloured);
url.changed(settle);
settle();
if (!document.body.dataset.frame) {
  said();
  addEventListener("load", () => $(".CodeMirror textarea")?.setAttribute("aria-label", "SQL")); // Datasette makes its editor then
}
