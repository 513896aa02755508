/* Live updates: elements with data-live="kind:id kind:id" hear the event `live` when their row changed.
   While the socket is down they are asked to look every ten seconds. */
"use strict";
(() => {
  const POLL_MS = 10000;
  const MAX_WAIT_MS = 30000;
  const state = document.getElementById("live-state");
  if (!state) return;
  const words = state.querySelector("[data-live-words]");
  const button = state.querySelector("[data-live-pause]");
  let socket = null;
  let failures = 0;
  let paused = false;
  let asked = "";
  let retry = 0;
  let poll = 0;

  const elements = () => [...document.querySelectorAll("[data-live]")];
  const namesOf = (one) => one.dataset.live.split(" ").filter(Boolean);
  const names = () => [...new Set(elements().flatMap(namesOf))].sort();
  const tell = (changed) => {
    for (const one of elements())
      if (changed === null || namesOf(one).some((name) => changed.includes(name))) htmx.trigger(one, "live");
  };
  const isUp = () => socket?.readyState === WebSocket.OPEN;
  const say = () => {
    const down = !paused && !isUp() && failures > 0;
    state.hidden = !elements().length;
    words.textContent = paused ? "Live updates off" : down ? "Live updates paused" : "Live";
    words.classList.toggle("warn", paused || down);
    button.setAttribute("aria-label", paused ? "Resume live updates" : "Pause live updates");
    button.title = button.getAttribute("aria-label");
    button.classList.toggle("is-paused", paused);
    document.body.dataset.updates = paused ? "paused" : "on";
    if (down) { poll ||= setInterval(() => tell(null), POLL_MS); return; }
    clearInterval(poll);
    poll = 0;
  };
  const ask = () => {
    const wanted = JSON.stringify({ watch: names() });
    if (isUp() && wanted !== asked) { socket.send(wanted); asked = wanted; }
  };
  const connect = () => {
    clearTimeout(retry);
    if (paused || socket || !elements().length) return;
    const address = new URL("/ws/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address);
    socket.addEventListener("open", () => { failures = 0; asked = ""; ask(); say(); });
    socket.addEventListener("message", (event) => {
      const { changed } = JSON.parse(event.data);
      if (changed) tell(changed);
    });
    socket.addEventListener("close", () => {
      socket = null;
      if (paused) return;
      failures += 1;
      const wait = Math.min(MAX_WAIT_MS, 1000 * 2 ** Math.min(failures, 5)) * (0.5 + Math.random() / 2);
      retry = setTimeout(connect, wait);
      say();
    });
  };
  button.addEventListener("click", () => {
    paused = !paused;
    if (paused) socket?.close();
    else { tell(null); connect(); }
    say();
  });
  /* Who has paused is left alone: an element that asks by the clock has no event that made it ask. */
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    if (paused && elt.matches("[data-live]") && !requestConfig.triggeringEvent) event.preventDefault();
  });
  document.addEventListener("htmx:afterSettle", () => { connect(); ask(); say(); });
  connect();
  say();
})();
