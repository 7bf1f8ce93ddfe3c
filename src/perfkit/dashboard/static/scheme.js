// Runs before the page is painted: the colours that its reader chose with the switch in the head, where they are not the system's.
"use strict";
try {
  const chosen = localStorage.getItem("perfkit colours");
  if (chosen) document.documentElement.dataset.scheme = chosen;
} catch {
  // A browser that keeps nothing shows the system's.
}
