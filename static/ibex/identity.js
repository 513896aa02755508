/* Passkeys, by allauth's scripts; and the browser's own time zone on the operator's page. */
"use strict";
(() => {
  const words = {
    NotAllowedError: "That was cancelled, or took too long. Try again.",
    InvalidStateError: "This device already has a passkey for you.",
    SecurityError: "Passkeys work on a host name with HTTPS, or on localhost.",
  };
  const trouble = (text) => {
    const notice = document.createElement("p");
    notice.className = "notice bad";
    notice.textContent = text;
    document.getElementById("trouble")?.replaceChildren(notice);
  };
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const { exception } = event.detail;
    trouble(words[exception?.name] ?? "The passkey could not be used. Try again.");
  });

  const address = /^[\d.]+$|^\[/.test(location.hostname);
  const place = document.querySelector("[data-passkey=add], [data-passkey=authenticate]");
  if (place && (address || !window.PublicKeyCredential)) trouble(words.SecurityError);
  if (!address && window.PublicKeyCredential && window.allauth?.webauthn) {
    const { loginForm, authenticateForm, addForm } = window.allauth.webauthn.forms;
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      form.hidden = false;
      const credential = form.querySelector("[name=credential]").id;
      const data = "passkey_data";
      if (form.dataset.passkey === "login") loginForm({ ids: { login: "passkey_login", credential } });
      if (form.dataset.passkey === "authenticate") authenticateForm({ ids: { authenticate: "passkey_authenticate", credential, data } });
      if (form.dataset.passkey === "add") addForm({ ids: { add: "passkey_add", passwordless: "id_passwordless", credential, data } });
    }
  }

  const button = document.getElementById("use-zone");
  const select = document.getElementById("id_time_zone");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (button && select && zone !== select.value && [...select.options].some((option) => option.value === zone)) {
    button.textContent = `Use this browser's: ${zone.replaceAll("_", " ")}`;
    button.hidden = false;
    button.addEventListener("click", () => { select.value = zone; button.hidden = true; });
  }
})();
