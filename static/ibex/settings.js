/* Copies what is shown once to the clipboard; without scripts it can be selected and copied. */
"use strict";
(() => {
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const words = button.querySelector("span");
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
        words.textContent = "Copied";
      } catch { words.textContent = "Select it and copy"; }
    });
  }
})();
