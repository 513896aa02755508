/* A list asks now and then whether it has new rows, and says so: rows never jump under the hand.
   How often is chosen in the list and kept in this browser. */
"use strict";
(() => {
  const KEY = "ibex.refresh";
  const polite = document.getElementById("polite");
  let timer = 0;
  let fresh = "";

  const results = () => document.getElementById("results");
  const seconds = () => Number(localStorage.getItem(KEY) ?? document.querySelector("[data-refresh]")?.dataset.refresh ?? 0);
  const names = (root) => [...root.querySelectorAll("tbody tr")].map((row) => row.id || row.dataset.id).filter(Boolean);
  const isFirstPage = () => !new URLSearchParams(location.search).has("cursor");

  const look = async () => {
    const before = results();
    const chip = before?.querySelector("[data-news]");
    if (!chip || document.hidden || document.body.dataset.updates === "paused" || !isFirstPage()) return;
    const answer = await fetch(location.href, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
    const text = await answer.text();
    if (!answer.ok || answer.redirected || results() !== before) return;
    const there = new DOMParser().parseFromString(text, "text/html").getElementById("results");
    if (!there) return;
    const known = new Set(names(before));
    const all = names(there);
    const count = all.filter((name) => !known.has(name)).length;
    if (!count) return;
    fresh = text;
    const words = `${count}${count === all.length && count > 1 ? "+" : ""} new, show`;
    if (polite && chip.textContent !== words) polite.textContent = words;
    chip.textContent = words;
    chip.hidden = false;
  };
  const start = () => {
    clearInterval(timer);
    const box = document.querySelector("[data-refresh]");
    if (!box) return;
    box.hidden = false;
    box.querySelector("select").value = String(seconds());
    if (seconds()) timer = setInterval(() => look().catch(() => {}), seconds() * 1000);
  };
  document.addEventListener("change", (event) => {
    if (!event.target.closest("[data-refresh]")) return;
    localStorage.setItem(KEY, event.target.value);
    start();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-news]") || !fresh) return;
    htmx.swap("#results", fresh, { swapStyle: "outerHTML" });
    fresh = "";
    scrollTo({ top: 0 });
  });
  document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "results") { fresh = ""; start(); } });
  start();
})();
