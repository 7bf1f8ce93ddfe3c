// When charts must be drawn again: another width, other colours, and paper, which is light and says where it came from.

import { $, recolour } from "./dom.js";
import { instant } from "./format.js";
import * as url from "./url.js";

const SETTLED_MS = 150;

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
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recoloured);
  for (const [event, printing] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    addEventListener(event, () => {
      $("#printed").textContent = imprint();
      document.documentElement.classList.toggle("printing", printing);
      recoloured();
    });
  }
}

/** What is printed, from where, and in which time zone its times are. */
function imprint() {
  const utc = url.get("utc") === "1";
  const zone = utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [location.href, $("#stretch")?.textContent, `times in ${zone}`, `printed ${instant(Date.now(), utc)}`].filter(Boolean).join(" · ");
}
