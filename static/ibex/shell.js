/* The palette, the keys and the undo that ends. Everything here has a page or a link without scripts. */
"use strict";
(() => {
  const on = document.body.dataset.shortcuts !== "off";
  const touch = matchMedia("(hover: none) and (pointer: coarse)");
  const GO = { o: "/", a: "/agents/", m: "/memories/", s: "/sessions/", d: "/directives/" };
  const GO_WITHIN_MS = 1200;
  const UNDO_MS = 10000;

  /* Dialogs */
  const palette = document.getElementById("palette");
  const field = palette?.querySelector("input");
  const list = document.getElementById("palette-list");
  const keys = document.getElementById("keys-dialog");

  const options = () => [...list.querySelectorAll('[role="option"]:not([aria-disabled])')];
  const chosen = () => options().find((option) => option.getAttribute("aria-selected") === "true");
  const choose = (option) => {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option));
    field.setAttribute("aria-activedescendant", option ? option.id : "");
    option?.scrollIntoView({ block: "nearest" });
  };
  const openPalette = () => {
    if (palette.open) return;
    palette.showModal();
    field.select();
    htmx.trigger(field, "palette");
  };
  const follow = (option) => { if (option) location.assign(option.dataset.href); };

  if (palette) {
    for (const link of document.querySelectorAll("[data-palette]"))
      link.addEventListener("click", (event) => { event.preventDefault(); openPalette(); });
    list.addEventListener("htmx:afterSwap", () => choose(options()[0]));
    list.addEventListener("click", (event) => follow(event.target.closest("[data-href]")));
    field.addEventListener("keydown", (event) => {
      const all = options();
      const at = all.indexOf(chosen());
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) choose(all[(at + step + all.length) % all.length]);
      else if (event.key === "Enter") follow(chosen());
      else return;
      event.preventDefault();
    });
  }
  for (const link of document.querySelectorAll("[data-keys]"))
    link.addEventListener("click", (event) => {
      if (!keys || touch.matches) return;
      event.preventDefault();
      keys.showModal();
    });
  for (const button of document.querySelectorAll("dialog [data-close]"))
    button.addEventListener("click", () => button.closest("dialog").close());
  for (const dialog of document.querySelectorAll("dialog"))
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  /* Keys: never while somebody types, never with a modifier, except for the palette's own. */
  const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k" && palette) {
      event.preventDefault();
      openPalette();
      return;
    }
    if (!on || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const was = event.timeStamp - going < GO_WITHIN_MS;
    going = 0;
    if (was && GO[event.key]) location.assign(GO[event.key]);
    else if (event.key === "g") going = event.timeStamp;
    else if (event.key === "?" && keys) keys.showModal();
    else if (event.key === "/") {
      const search = document.querySelector("[data-search], #id_q");
      if (search) search.focus();
      else if (palette) openPalette();
    } else if (event.key === "e") document.querySelector("[data-export]")?.click();
    else return;
    event.preventDefault();
  });

  /* What was done can be taken back for ten seconds, longer while it is looked at. */
  const endLater = (form) => {
    const notice = form.closest(".notice");
    const end = () => {
      if (notice.matches(":hover, :focus-within")) setTimeout(end, 1000);
      else form.remove();
    };
    setTimeout(end, UNDO_MS);
  };

  /* Copy buttons, only where the browser lets us. `data-copy` names what is on the page, without the
     space around it; `data-copy-from` is an address, whose text is copied to the letter. */
  const fetched = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.text();
  };
  const textFor = ({ copy, copyFrom }) => copyFrom ? fetched(copyFrom) : document.getElementById(copy).textContent.trim();
  const offerCopy = (button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const polite = document.getElementById("polite");
      try {
        await navigator.clipboard.writeText(await textFor(button.dataset));
        polite.textContent = "Copied.";
        button.classList.add("copied");
        setTimeout(() => button.classList.remove("copied"), 1500);
      } catch { polite.textContent = "It could not be copied: select it and copy it."; }
    });
  };

  /* The page's own, and whatever a swap brings later. */
  const prepared = new WeakSet();
  const prepare = () => {
    for (const [marked, begin] of [["[data-undo]", endLater], ["[data-copy], [data-copy-from]", offerCopy]])
      for (const element of document.querySelectorAll(marked)) {
        if (!prepared.has(element)) begin(element);
        prepared.add(element);
      }
  };
  prepare();
  document.addEventListener("htmx:load", prepare);

  /* A drawer that was left by its link closes with Escape too. */
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && location.hash === "#side") location.hash = "#content";
  });
})();
