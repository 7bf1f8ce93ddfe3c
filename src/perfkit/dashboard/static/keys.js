// The keyboard: every key does what a button or the mouse does too.

import { $, $$ } from "./dom.js";

const RANGES = ["all", "1h", "6h", "24h", "7d"];

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
  RANGES.forEach((name, i) => (actions[i + 1] = () => does.range(name)));
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
