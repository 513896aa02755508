/* One key per decision in the review inbox: j and k go from case to case, 1 to 4 decide. */
"use strict";
(() => {
  const cases = () => [...document.querySelectorAll("[data-case]")];
  const current = () => document.activeElement?.closest("[data-case]");
  const go = (step) => {
    const all = cases();
    const at = all.indexOf(current());
    all[at === -1 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)]?.focus();
  };
  const isTyping = (element) => element?.matches("input, textarea, select, [contenteditable]");

  /* The next case comes to where the decided one stood; no other swap moves anybody's focus. */
  let decided = 0;
  document.querySelector("[data-focus]")?.focus();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.body.dataset.shortcuts === "off") return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      go(event.key === "j" ? 1 : -1);
    } else if (/^[1-4]$/.test(event.key)) {
      current()?.querySelector(`[data-key="${event.key}"]:enabled`)?.click();
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const one = event.target.closest("[data-case]");
    if (one) decided = cases().indexOf(one);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "review") return;
    const all = cases();
    all[Math.min(decided, all.length - 1)]?.focus();
  });
})();
