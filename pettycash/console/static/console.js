// What a page does by itself. Every page works without it.
(() => {
  "use strict";

  // A form is sent once: its button rests until the answer is here, or the page comes back.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // What is wrong is read first.
  const errors = document.getElementById("errors");
  if (errors) errors.focus();

  // A form that was held up goes on.
  const waiting = document.querySelector("[data-go-on]");
  if (waiting) waiting.form.requestSubmit(waiting);

  // A session that idles ends; whoever reads on is told in time, and may stay.
  const idle = Number(document.body.dataset.idle || 0);
  const warning = document.getElementById("pc-idle");
  if (idle && warning) {
    let asked = Date.now();
    const watch = () => {
      const left = idle - (Date.now() - asked) / 1000;
      if (left < 300 && left > 0 && !warning.open) warning.showModal();
    };
    setInterval(watch, 5000);
    warning.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const form = event.target;
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      warning.close();
      if (answer.ok) asked = Date.now();
      else location.reload();
    });
  }

  // A draft saves itself. Its form becomes the form that changes what was saved.
  const draft = document.querySelector("form[data-autosave]");
  if (draft) {
    let saved = new URLSearchParams(new FormData(draft)).toString();
    const told = document.getElementById("pc-saved");
    const save = async () => {
      const now = new URLSearchParams(new FormData(draft)).toString();
      if (now === saved || draft.dataset.sent || document.hidden) return;
      const answer = await fetch(draft.action, { method: "POST", body: new FormData(draft) });
      if (!answer.ok || !answer.redirected) return;
      const place = new URL(answer.url).pathname;
      const page = await (await fetch(`${place}edit/`)).text();
      const change = new DOMParser().parseFromString(page, "text/html").querySelector("form[data-autosave]");
      if (!change || draft.dataset.sent) return;
      for (const old of draft.querySelectorAll('input[type="hidden"]')) old.remove();
      for (const each of change.querySelectorAll('input[type="hidden"]')) draft.prepend(document.importNode(each));
      draft.action = change.getAttribute("action");
      history.replaceState(null, "", `${place}edit/`);
      saved = new URLSearchParams(new FormData(draft)).toString();
      if (told) told.textContent = `Saved as a draft at ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.`;
    };
    setInterval(save, Number(draft.dataset.autosave) * 1000);
  }

  // The menu closes by Escape and by a click elsewhere.
  const menu = document.querySelector(".pc-menu");
  if (menu) {
    document.addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
})();
