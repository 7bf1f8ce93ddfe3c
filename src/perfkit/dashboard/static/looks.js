// What every page has, of ours and of Datasette's: light or dark, local time or UTC, paper, and the keyboard.

import { $, $$, recolour } from "./dom.js";
import { instant, zoneName } from "./format.js";
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
  const utc = url.get("utc") === "1";
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

/** The switches as they stand, and the zone in every link to another page of ours. */
function settle() {
  $("#utc")?.setAttribute("aria-pressed", String(url.get("utc") === "1"));
  for (const anchor of $$("a[data-page]")) {
    anchor.dataset.page ||= anchor.getAttribute("href");
    // What is compared is the machine, or the phase of it that is shown.
    const { page, subject, window } = anchor.dataset;
    const changes = subject ? { c: subject + url.reference() } : {};
    anchor.href = url.carry(page, { changes, keep: window !== undefined });
  }
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
    u: () => $("#utc")?.click(),
    p: () => $("#p95")?.click(),
    "?": () => help(),
  };
  Object.keys(url.RANGES).forEach((name, i) => (actions[i + 1] = () => does.range(name)));
  addEventListener("click", (event) => closeMenus((menu) => !menu.contains(event.target)));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  $("#keys")?.addEventListener("click", help);
}

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
$("#utc")?.addEventListener("click", () => url.set({ utc: url.get("utc") === "1" ? null : "1" }, { quiet: true }));
dark.addEventListener("change", coloured);
url.changed(settle);
settle();
