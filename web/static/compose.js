// What a form in which people write does besides, where scripts run: it shows what the text will look like without
// leaving the page, keeps a draft while one writes, and is sent by Ctrl+Enter. A form asks for it by `data-compose`;
// `data-preview-url` and `data-draft-url` say where its own buttons "preview" and "draft" are answered. The answers are
// the pages that a browser without scripts is shown.

// A draft is kept this long after the first change since it was kept last.
const PAUSE_MS = 4000;

for (const form of document.querySelectorAll("form[data-compose]")) compose(form);

function compose(form) {
  const body = form.elements.body;
  const status = form.querySelector("[data-compose-status]");
  const say = (text) => { if (status) status.textContent = text; };
  const text = () => ["title", "body", "comment"].map((name) => form.elements[name]?.value ?? "").join("\0");
  let kept = text();
  let timer = 0;
  let saving = Promise.resolve();
  let busy = false;
  let sent = false;

  // Sends the form as one of its buttons would. A session that began anew gives its forms another secret: the page that
  // says so has it.
  async function press(button, url, options = {}) {
    for (const last of [false, true]) {
      const fields = new URLSearchParams(new FormData(form));
      fields.delete("key");
      fields.set(button, "1");
      const answer = await fetch(url, { method: "POST", body: fields, redirect: "manual", ...options });
      if (answer.status !== 403 || last) return answer;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const secret = page.querySelector("main input[name=csrf]")?.value;
      if (!secret) return answer;
      form.elements.csrf.value = secret;
    }
  }

  async function save(options, asked = false) {
    const now = text();
    if (sent || (now === kept && !asked)) return;
    busy = true;
    try {
      const answer = await press("draft", form.dataset.draftUrl, options);
      // A redirect says that it is done.
      if (answer.type !== "opaqueredirect") throw new Error(String(answer.status));
      kept = now;
      say("Draft saved.");
    } catch (error) {
      say(error.message === "401" ? "You are logged out: the draft is not saved." : "The draft is not saved.");
    } finally {
      busy = false;
    }
  }

  function later() {
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      saving = saving.then(() => save());
    }, PAUSE_MS);
  }

  // A form at the end of a topic begins empty although there may be a draft.
  async function recall() {
    const mark = form.elements.fresh;
    if (!mark) return;
    try {
      const answer = await fetch(form.dataset.draftUrl);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const draft = page.querySelector("form[data-compose] textarea[name=body]")?.value ?? "";
      mark.remove();
      if (draft.trim() === "") return;
      body.value = body.value.trim() === "" ? draft : `${draft}\n\n${body.value}`;
      kept = text();
      say("This is your draft.");
    } catch {
      // Without it, what is written here is put below the draft.
    }
  }

  async function preview() {
    const place = form.parentElement.querySelector("[data-compose-preview]");
    try {
      const answer = await press("preview", form.dataset.previewUrl);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const shown = page.querySelector("[data-compose-preview]");
      if (!answer.ok || !shown) throw new Error(String(answer.status));
      place.replaceChildren(...shown.childNodes);
      place.hidden = false;
      // Where the keyboard is, is in sight, and what is read out.
      place.focus();
      say("");
    } catch (error) {
      say(error.message === "401" ? "You are logged out: log in in another tab." : "The preview could not be made.");
    }
  }

  form.addEventListener("input", later);
  form.addEventListener("focusin", recall, { once: true });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    const button = event.submitter?.name;
    if (button === "preview" || button === "draft") {
      event.preventDefault();
      if (button === "preview") preview();
      else saving = saving.then(() => save({}, true));
      return;
    }
    clearTimeout(timer);
    sent = true;
    if (!busy) return;
    // What is on its way to be kept must not arrive after what ends it.
    event.preventDefault();
    const { submitter } = event;
    saving.then(() => form.requestSubmit(submitter));
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") saving = saving.then(() => save({ keepalive: true }));
  });
  // Out of the browser's memory, the form is there to be sent again.
  addEventListener("pageshow", () => { sent = false; });
}
