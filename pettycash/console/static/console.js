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
