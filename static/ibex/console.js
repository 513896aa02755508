/* What htmx and plain HTML leave over: the theme menu, words for failures. */
"use strict";
(() => {
  const root = document.documentElement;
  const MIN_WORDS = 3;

  for (const field of document.querySelectorAll(".theme")) {
    field.hidden = false;
    const chosen = root.dataset.theme ?? "system";
    for (const radio of field.querySelectorAll("input")) radio.checked = radio.value === chosen;
    field.addEventListener("change", (event) => {
      const theme = event.target.value;
      if (theme === "system") delete root.dataset.theme;
      else root.dataset.theme = theme;
      try { localStorage.setItem("theme", theme); } catch { /* it holds for this page */ }
      const token = field.parentElement.querySelector("[name=csrfmiddlewaretoken]")?.value;
      if (field.dataset.save && token)
        fetch(field.dataset.save, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams({ theme }) })
          .then((answer) => { if (!answer.ok) throw new Error(answer.statusText); })
          .catch(() => trouble("The theme holds for this page, but could not be kept."));
    });
  }

  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  const trouble = (words) => {
    const place = document.getElementById("trouble");
    if (!place) return;
    const notice = document.createElement("p");
    notice.className = "notice bad";
    notice.textContent = words;
    place.replaceChildren(notice);
  };

  // Whoever sits here next finds no text of a directive that was not saved yet.
  document.querySelector("form[data-signs-out]")?.addEventListener("submit", () => {
    try {
      for (const key of Object.keys(localStorage)) if (key.startsWith("directive-draft:")) localStorage.removeItem(key);
    } catch { /* nothing was kept */ }
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const { parameters, triggeringEvent, verb } = event.detail;
    if (verb !== "get") return;
    const words = (parameters.q ?? "").trim();
    const typing = triggeringEvent?.type === "input" && triggeringEvent.target?.id === "id_q";
    if (typing && words && words.length < MIN_WORDS) event.preventDefault();
    for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
  });
  document.addEventListener("htmx:beforeRequest", (event) => event.detail.target?.setAttribute("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute("aria-busy"));
  document.addEventListener("htmx:afterSwap", () => document.getElementById("trouble")?.replaceChildren());
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    const request = event.detail.xhr.getResponseHeader("X-Request-ID") ?? "";
    if (status === 403) trouble("Your role does not allow this, or the page is too old: load it again.");
    else if (status === 404) trouble("It is not there any more.");
    else trouble(`Something went wrong. Request ${request}`);
  });
  document.addEventListener("htmx:sendError", () => trouble("The console cannot be reached. Nothing was changed."));
})();
