/* Lists: how many rows are ticked, the keys that walk them, and the panel beside them. */
"use strict";
(() => {
  const on = document.body.dataset.shortcuts !== "off";
  const peek = document.getElementById("peek");
  const body = document.getElementById("peek-body");
  const polite = document.getElementById("polite");
  let open = "";

  const rows = () => [...document.querySelectorAll("#results tbody tr")];
  const link = (row) => row?.querySelector("[data-row-link], th a, a.content, td a");
  const current = () => document.activeElement?.closest?.("#results tbody tr") ?? null;
  const focus = (row) => { link(row)?.focus(); row?.scrollIntoView({ block: "nearest" }); };

  /* Bulk bar */
  const count = () => {
    const bar = document.querySelector("[data-bulk]");
    if (!bar) return;
    const boxes = [...document.querySelectorAll('input[name="ids"][form="bulk"]')];
    const ticked = boxes.filter((box) => box.checked).length;
    const words = bar.querySelector("[data-selected]");
    words.textContent = `${ticked} ticked`;
    words.dataset.selected = ticked ? "some" : "none";
    const all = document.querySelector("[data-tick-all]");
    if (all) {
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    const query = bar.querySelector('input[name="scope"][value="query"]')?.checked ?? false;
    for (const button of bar.querySelectorAll("button[formaction]")) {
      if (button.dataset.refused === undefined) button.dataset.refused = button.disabled ? "yes" : "no";
      button.disabled = button.dataset.refused === "yes" || !(ticked || query);
      if (button.dataset.refused === "no") button.title = button.disabled ? "Tick rows first, or choose all." : "";
    }
    for (const box of boxes) box.closest("tr").classList.toggle("ticked", box.checked);
  };
  const prepare = () => {
    const head = document.querySelector("#results thead .pick");
    if (head && !head.querySelector("input")) {
      const all = document.createElement("input");
      all.type = "checkbox";
      all.dataset.tickAll = "";
      all.setAttribute("aria-label", "Tick all rows of this page");
      const label = document.createElement("label");
      label.append(all);
      head.replaceChildren(label);
    }
    count();
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]"))
      for (const box of document.querySelectorAll('input[name="ids"][form="bulk"]')) box.checked = event.target.checked;
    if (event.target.name === "ids") {
      const scope = document.querySelector('[data-bulk] input[value="ids"]');
      if (scope) scope.checked = true;
    }
    if (event.target.closest("#results")) count();
  });
  prepare();

  /* What is no longer asked for leaves the fields of the search form that a swap does not renew. */
  const forget = () => {
    const asked = new URLSearchParams(location.search);
    for (const one of document.getElementById("search")?.elements ?? []) {
      if (!one.name || asked.has(one.name) || one.type === "radio" || one.closest("#results")) continue;
      const mayBeEmpty = !one.options || [...one.options].some((option) => option.value === "");
      if (mayBeEmpty && one !== document.activeElement) one.value = "";
    }
  };

  /* After a swap: say how many there are, keep open what was, and keep the focus in the list. */
  let wasOpen = false;
  const more = () => document.querySelector("#results [data-more]");
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id === "results") wasOpen = more()?.open ?? false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "results") return;
    if (wasOpen && more()) more().open = true;
    forget();
    prepare();
    const said = document.querySelector("#results [data-announce]");
    if (said && polite && polite.textContent !== said.textContent) polite.textContent = said.textContent;
    if (document.activeElement === document.body) document.getElementById("results").focus({ preventScroll: true });
    mark();
  });

  /* A row that is renewed alone keeps its mark, and the focus within it. */
  const isRow = (one) => one.matches?.("#results tbody tr");
  const links = (row) => [...row.querySelectorAll("a")];
  let held = -1;
  document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    held = isRow(target) ? links(target).indexOf(document.activeElement) : -1;
  });
  document.addEventListener("htmx:afterSwap", ({ target }) => {
    if (isRow(target)) links(target)[held]?.focus({ preventScroll: true });
  });
  document.addEventListener("htmx:afterSettle", ({ target }) => { if (isRow(target)) mark(); });

  /* Peek */
  const mark = () => {
    for (const row of rows()) row.classList.toggle("peeked", Boolean(open) && row.dataset.id === open);
  };
  const remember = (id) => {
    const url = new URL(location.href);
    if (id) url.searchParams.set("peek", id);
    else url.searchParams.delete("peek");
    history.replaceState(history.state, "", url);
  };
  const show = (row) => {
    if (!row?.dataset.peek) return;
    open = row.dataset.id;
    const all = rows();
    peek.hidden = false;
    document.body.classList.add("peeking");
    peek.querySelector("[data-peek-place]").textContent = `${all.indexOf(row) + 1} of ${all.length} on this page`;
    peek.querySelector("[data-peek-page]").href = link(row).href;
    for (const button of peek.querySelectorAll("[data-peek-step]")) {
      const by = Number(button.dataset.peekStep);
      button.disabled = !all[all.indexOf(row) + by] && !(by > 0 && nextPage());
    }
    htmx.ajax("GET", row.dataset.peek, { target: "#peek-body", swap: "innerHTML" });
    remember(open);
    mark();
  };
  /* Past the last row the list turns its page, and the panel goes on with the first row there. */
  const nextPage = () => document.querySelector('#results .pager a[rel="next"]');
  let turning = false;
  const turn = async () => {
    const next = nextPage();
    if (!next || turning) return;
    turning = true;
    try {
      await htmx.ajax("GET", next.getAttribute("href"), { target: "#results", swap: "outerHTML" });
    } finally { turning = false; }
    if (!open) return;
    show(rows()[0]);
    rows()[0]?.scrollIntoView({ block: "nearest" });
  };
  const shown = () => rows().find((row) => row.dataset.id === open);
  const step = (by) => {
    const all = rows();
    const next = all[all.indexOf(shown()) + by];
    if (next) { show(next); next.scrollIntoView({ block: "nearest" }); }
    else if (by > 0) turn();
  };
  const close = () => {
    const row = shown();
    open = "";
    peek.hidden = true;
    body.replaceChildren();
    document.body.classList.remove("peeking");
    remember("");
    mark();
    link(row)?.focus();
  };
  if (peek) {
    document.addEventListener("click", (event) => {
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      const row = event.target.closest?.("tr[data-peek]");
      const to = event.target.closest?.("a");
      if (!row || !to || to !== link(row)) return;
      event.preventDefault();
      show(row);
      peek.focus({ preventScroll: true });
    });
    peek.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.peekStep) step(Number(button.dataset.peekStep));
      else if (button && "peekClose" in button.dataset) close();
    });
    const asked = new URLSearchParams(location.search).get("peek");
    if (asked) show(rows().find((row) => row.dataset.id === asked));
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && open) { close(); return; }
    if (!on || event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]")) return;
    const by = { j: 1, k: -1, J: 1, K: -1 }[event.key];
    if (by && open) step(by);
    else if (by && rows().length) {
      const all = rows();
      const at = all.indexOf(current());
      focus(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]);
    } else if (event.key === "x") {
      const box = (open ? shown() : current())?.querySelector('input[name="ids"]');
      if (!box) return;
      box.checked = !box.checked;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    } else return;
    event.preventDefault();
  });
})();
