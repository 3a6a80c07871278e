"use strict";
// WebAuthn in a browser: a card's assertion for log-in or for an approval, and the registration of a new one. Nothing else of the terminal needs a script.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function call(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message);
  return said;
}

function credential(found) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[name]) response[name] = text(found.response[name]);
  }
  return { id: found.id, rawId: text(found.rawId), type: found.type, response };
}

const words = {
  NotAllowedError: "職員証を読めませんでした。かざし直すか、鍵ファイルの職員証を使ってください。",
  InvalidStateError: "この職員証は登録されています。",
  SecurityError: "このアドレスでは、端末にかざす職員証を使えません。",
};

function say(place, message) {
  place.hidden = false;
  place.textContent = message;
}

function place() {
  const main = document.querySelector("main");
  const found = main.querySelector(":scope > .message");
  if (found) return found;
  const made = Object.assign(document.createElement("p"), { className: "message bad" });
  made.setAttribute("role", "alert");
  main.querySelector("h1").insertAdjacentElement("afterend", made);
  return made;
}

const told = (problem) => words[problem.name] || problem.message;

async function assertion(challenge) {
  const publicKey = { challenge: bytes(challenge), rpId: location.hostname, userVerification: "preferred" };
  return credential(await navigator.credentials.get({ publicKey }));
}

const login = document.getElementById("login");
if (login && window.PublicKeyCredential) {
  const button = document.getElementById("web-login");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const given = Object.fromEntries(new FormData(login));
    try {
      const { challenge } = await call("/login/challenge", { staff_id: given.staff_id });
      const shown = { challenge, webauthn: await assertion(challenge) };
      const { place: next } = await call("/login/web", { staff_id: given.staff_id, password: given.password, reason: given.reason, ...shown });
      location.assign(next);
    } catch (problem) {
      say(place(), told(problem));
    }
  });
}

// What takes both factors anew: the card signs for exactly what the form says, and the form goes off as it is.
const decide = document.getElementById("decide");
if (decide && window.PublicKeyCredential) {
  for (const button of decide.querySelectorAll("button[data-event]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const { password, passphrase, ...given } = { ...Object.fromEntries(new FormData(decide)), event: button.dataset.event };
      try {
        const { challenge } = await call(decide.dataset.challenge, given);
        const shown = { event: given.event, challenge, webauthn: JSON.stringify(await assertion(challenge)) };
        for (const [name, value] of Object.entries(shown)) decide.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
        decide.submit();
      } catch (problem) {
        say(place(), told(problem));
      }
    });
  }
}

const card = document.getElementById("card");
if (card) {
  card.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(card));
    const said = document.getElementById("card-said");
    try {
      const { options } = await call("/card/options", { form_key: given.form_key });
      const key = options.publicKey;
      key.challenge = bytes(key.challenge);
      key.user.id = bytes(key.user.id);
      for (const one of key.excludeCredentials || []) one.id = bytes(one.id);
      const made = await navigator.credentials.create({ publicKey: key });
      await call("/card/register", { ...given, registration: credential(made) });
      say(said, "職員証を登録しました。次からこの職員証でログインできます。");
    } catch (problem) {
      say(said, told(problem));
    }
  });
}
