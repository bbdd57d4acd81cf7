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

  // What ends is counted down by the server's clock; 60 seconds before and at the end it is said.
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const end = performance.now() + Number(place.dataset.countdown) * 1000;
    const shown = place.querySelector("strong");
    const spoken = place.nextElementSibling;
    let before = Infinity;
    const timer = setInterval(() => {
      const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (before > 60 && left <= 60 && left > 0 && before !== Infinity) spoken.textContent = "60 seconds are left.";
      if (left === 0) {
        spoken.textContent = place.textContent = place.dataset.over;
        clearInterval(timer);
      }
      before = left;
    }, 1000);
  }

  // Somebody signs on the screen; what they draw goes with the form as a picture.
  for (const field of document.querySelectorAll("[data-signature]")) {
    const form = field.form;
    const said = form.querySelector("[data-signature-said]");
    const canvas = document.createElement("canvas");
    canvas.width = 900;
    canvas.height = 300;
    canvas.className = "pc-canvas";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Field to sign in");
    const pen = canvas.getContext("2d");
    const wipe = () => {
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      field.value = "";
      said.textContent = "";
    };
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      const scale = canvas.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pen.strokeStyle = "#182433";
      pen.lineWidth = 5;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      pen.moveTo(...point(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      pen.lineTo(...point(event));
      pen.stroke();
    });
    canvas.addEventListener("pointerup", () => {
      field.value = canvas.toDataURL("image/png");
      said.textContent = "Signed.";
    });
    const clear = document.createElement("button");
    clear.type = "button";
    clear.className = "btn";
    clear.textContent = "Clear";
    clear.addEventListener("click", wipe);
    wipe();
    field.after(canvas, clear);
    // A photo of a signed voucher is made small enough to be kept.
    const photo = form.querySelector("input[type=file]");
    photo.addEventListener("change", async () => {
      const picture = await createImageBitmap(photo.files[0]).catch(() => null);
      if (!picture) return;
      const scale = Math.min(1, 1200 / Math.max(picture.width, picture.height));
      const small = document.createElement("canvas");
      small.width = picture.width * scale;
      small.height = picture.height * scale;
      small.getContext("2d").drawImage(picture, 0, 0, small.width, small.height);
      field.value = small.toDataURL("image/jpeg", 0.8);
      said.textContent = `${photo.files[0].name} will be kept.`;
      photo.value = "";
    });
  }

  // Live parts ask whether something has changed: every 5 seconds for two minutes after somebody did
  // something here, then each minute, never while nobody looks, and never sooner than they are told.
  const parts = [...document.querySelectorAll("[data-live]")];
  if (parts.length) {
    let touched = Date.now();
    let asked = Date.now();
    let rest = 0;
    for (const kind of ["pointerdown", "keydown", "wheel"]) {
      document.addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
    }
    setInterval(() => {
      const now = Date.now();
      const pause = now - touched < 120000 ? 5000 : 60000;
      if (document.hidden || now < rest || now - asked < pause) return;
      asked = now;
      document.dispatchEvent(new Event("pc-tick"));
    }, 1000);
    const show = (part) => {
      // Rows never move under the finger, nor under who is reading by keyboard.
      if (!part.news || part.matches(":hover") || part.matches(":focus-within")) return;
      part.innerHTML = part.news.html;
      part.dataset.seen = part.news.version;
      part.news = null;
      document.querySelector("[data-live-said]").textContent = `${part.dataset.title}: changed.`;
    };
    const ask = async (part, again = true) => {
      const seen = part.news ? part.news.version : part.dataset.seen;
      const answer = await fetch(`${part.dataset.live}?seen=${seen}`).catch(() => null);
      if (!answer) return;
      // The cookie may just have been replaced.
      if (answer.status === 401 && again) return ask(part, false);
      const wait = Number(answer.headers.get("Retry-After"));
      if (wait) rest = Date.now() + wait * 1000;
      const version = answer.headers.get("X-Version");
      if (answer.status === 200 && version) part.news = { html: await answer.text(), version };
      show(part);
    };
    for (const part of parts) {
      document.addEventListener("pc-tick", () => ask(part));
      for (const kind of ["pointerleave", "focusout"]) part.addEventListener(kind, () => show(part));
    }
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
