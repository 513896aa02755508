/* The directive's editor keeps what is typed: numbered lines, a byte counter, a copy in this browser
   until the server has it. And a difference is walked through change by change. */
"use strict";
(() => {
  const clock = (at) => new Date(at).toISOString().slice(11, 16) + " UTC";

  const number = (text) => {
    const mirror = document.createElement("div");
    mirror.className = "mirror";
    mirror.setAttribute("aria-hidden", "true");
    text.before(mirror);
    return () => {
      const lines = text.value.split("\n");
      while (mirror.childElementCount > lines.length) mirror.lastChild.remove();
      while (mirror.childElementCount < lines.length) mirror.append(document.createElement("div"));
      lines.forEach((line, n) => {
        if (mirror.children[n].textContent !== line) mirror.children[n].textContent = line;
      });
    };
  };

  const count = (text) => {
    const size = document.getElementById("size");
    const encoder = new TextEncoder();
    return () => {
      const bytes = encoder.encode(text.value).length;
      size.textContent = bytes.toLocaleString("en");
      size.classList.toggle("over", bytes > Number(size.dataset.limit));
    };
  };

  /* What is typed stays in this browser until the server says that it has the very same text. */
  const keep = (form, text) => {
    const key = `directive-draft:${form.dataset.backup}`;
    const store = {
      read() { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
      write(value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full, or off */ } },
      drop() { try { localStorage.removeItem(key); } catch { /* nothing was kept */ } },
    };
    const saved = document.getElementById("saved");
    const notice = document.getElementById("restored");
    const revision = form.elements.revision;
    let sent = null;

    const put = (content) => {
      text.value = content;
      text.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const offer = (words, label, act) => {
      notice.querySelector("span").textContent = words;
      const button = notice.querySelector("button");
      button.textContent = label;
      button.onclick = () => { act(); notice.hidden = true; text.focus(); };
      notice.hidden = false;
    };

    text.addEventListener("input", () => {
      store.write({ content: text.value, revision: revision.value, at: Date.now() });
    });
    saved.addEventListener("htmx:configRequest", () => { sent = text.value; });
    saved.addEventListener("htmx:beforeSwap", (event) => {
      const found = /data-revision="(\d+)"/.exec(event.detail.serverResponse ?? "");
      if (!found) return;
      revision.value = found[1];
      form.elements.draft.value = /data-draft="([0-9a-f-]+)"/.exec(event.detail.serverResponse)?.[1] ?? "";
      if (text.value === sent) store.drop();
      else store.write({ content: text.value, revision: found[1], at: Date.now() });
    });
    const failed = () => {
      saved.textContent = "Not saved yet. What you type is kept in this browser.";
      saved.classList.add("bad");
    };
    saved.addEventListener("htmx:sendError", failed);
    saved.addEventListener("htmx:responseError", failed);
    saved.addEventListener("htmx:afterSwap", () => saved.classList.remove("bad"));
    document.querySelector("[data-discards]")?.addEventListener("submit", store.drop);

    const kept = store.read();
    if (!kept || kept.content === text.value) { store.drop(); return; }
    const shown = text.value;
    if (kept.revision === revision.value) {
      put(kept.content);
      offer(`What you typed at ${clock(kept.at)} had not been saved. Here it is again.`,
        "Use the saved text instead", () => put(shown));
    } else {
      offer(`This browser kept another text of yours, from ${clock(kept.at)}, that was not saved.`,
        "Put it here", () => put(kept.content));
    }
  };

  const form = document.getElementById("editor");
  const text = document.getElementById("id_content");
  if (form && text) {
    const renumber = number(text);
    const recount = count(text);
    text.addEventListener("input", () => { renumber(); recount(); });
    renumber();
    recount();
    // After htmx has bound the autosave: what is put back is to be saved, too.
    if (!text.readOnly) document.addEventListener("DOMContentLoaded", () => keep(form, text));
  }

  /* The layout of what is compared is in the address, and in every link to the same comparison. */
  const compares = [...document.querySelectorAll("[data-compares]")];
  if (compares.length) {
    document.addEventListener("change", (event) => {
      if (!event.target.matches(".difference .layout input")) return;
      const split = event.target.value === "split";
      const laidOut = (address) => {
        const url = new URL(address);
        if (split) url.searchParams.set("layout", "split");
        else url.searchParams.delete("layout");
        return url.href;
      };
      history.replaceState(history.state, "", laidOut(location.href));
      for (const one of compares) {
        if (one.matches("a")) one.href = laidOut(one.href);
        else one.disabled = !split;
      }
    });
  }

  /* j and k, or the two buttons, walk through the places that changed. */
  const difference = document.querySelector(".difference:has(.steps)");
  if (difference) {
    const all = [...difference.querySelectorAll(".aligned")];
    const starts = all.filter((row, n) => !row.matches(".same") && (n === 0 || all[n - 1].matches(".same")));
    const steps = difference.querySelector(".steps");
    const place = steps.querySelector("output");
    let at = -1;
    const go = (by) => {
      at = Math.min(Math.max(at + by, 0), starts.length - 1);
      for (const row of all) row.classList.remove("current");
      const first = all.indexOf(starts[at]);
      for (let n = first; n < all.length && !all[n].matches(".same"); n++) all[n].classList.add("current");
      starts[at].scrollIntoView({ block: "nearest" });
      place.textContent = `${at + 1} of ${starts.length}`;
    };
    if (starts.length > 1) {
      steps.hidden = false;
      place.textContent = `${starts.length} changes`;
      for (const button of steps.querySelectorAll("button"))
        button.addEventListener("click", () => go(Number(button.dataset.step)));
      document.addEventListener("keydown", (event) => {
        if (document.body.dataset.shortcuts === "off") return;
        if (event.target.closest("input:not([type=radio]), textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "j") go(1);
        if (event.key === "k") go(-1);
      });
    }
  }
})();
