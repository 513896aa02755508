/* A conversation that is followed: pause, new turns without jumping, links to turns. */
"use strict";
(() => {
  const turns = document.getElementById("turns");
  const follow = document.getElementById("follow");
  const chip = document.getElementById("new-turns");
  const NEAR_END = 240;
  const POLL_MS = 3000;
  let paused = false;
  let wasAtEnd = false;
  let seen = -1;

  const lastIndex = () => Math.max(-1, ...[...turns.querySelectorAll(".turn")].map((turn) => Number(turn.dataset.index)));
  const tail = () => document.getElementById("tail");
  const isAtEnd = () => {
    const end = tail();
    return Boolean(end) && end.getBoundingClientRect().top < window.innerHeight + NEAR_END;
  };

  const missing = /^#turn-(\d+)$/.exec(location.hash);
  if (turns && missing && !document.getElementById(`turn-${missing[1]}`))
    location.replace(`${location.pathname}turns/${missing[1]}/`);

  if (follow && tail()) {
    follow.hidden = false;
    const words = follow.querySelector("span");
    follow.addEventListener("click", () => {
      paused = !paused;
      follow.setAttribute("aria-pressed", String(!paused));
      words.textContent = paused ? "Paused" : "Following live";
    });
  }

  /* While the socket is down, look every three seconds; not when live updates were switched off. */
  setInterval(() => {
    const words = document.querySelector("[data-live-words]");
    const off = document.querySelector("[data-live-pause]")?.classList.contains("is-paused");
    if (!off && words?.classList.contains("warn") && tail()?.dataset.live) htmx.trigger(tail(), "live");
  }, POLL_MS);

  const announce = (count, first) => {
    const link = chip.querySelector("a");
    link.textContent = `${count} new, show`;
    link.href = `#turn-${first}`;
    chip.hidden = false;
  };

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.id === "tail" && paused) event.detail.parameters.paused = "on";
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "tail") return;
    wasAtEnd = isAtEnd();
    if (chip.hidden) seen = lastIndex();
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!turns || !tail()) return;
    const fresh = [...turns.querySelectorAll(".turn")].filter((turn) => Number(turn.dataset.index) > seen);
    if (seen < 0 || !fresh.length) return;
    if (wasAtEnd) {
      fresh[0].scrollIntoView({ block: "start" });
      chip.hidden = true;
      seen = lastIndex();
    } else announce(fresh.length, fresh[0].dataset.index);
  });
  chip?.addEventListener("click", () => {
    chip.hidden = true;
    seen = lastIndex();
  });
  document.addEventListener("scroll", () => {
    if (chip && !chip.hidden && isAtEnd()) {
      chip.hidden = true;
      seen = lastIndex();
    }
  }, { passive: true });

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-copy-link]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const words = link.querySelector("span");
    try {
      await navigator.clipboard.writeText(link.href);
      words.textContent = "Copied";
      setTimeout(() => { words.textContent = "Copy link"; }, 2000);
    } catch { location.assign(link.href); }
  });
})();
