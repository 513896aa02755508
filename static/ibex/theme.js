/* Applies the chosen theme before the first paint. A signed-in operator's comes with the page and
   is remembered here for the pages at the door; without either the system's theme holds. */
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const told = root.dataset.themeChoice;
    if (told) localStorage.setItem("theme", told);
    const theme = told ?? localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage may be forbidden */ }
})();
