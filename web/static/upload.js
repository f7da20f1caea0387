// Lets pictures be pasted or dropped into a text field that has `data-upload`: each is uploaded, and where it was
// dropped stands what shows it. Without this script there is the page /uploads.

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
let last = 0;

/** The pictures among what was pasted or dropped. */
function pictures(transfer) {
  return Array.from(transfer?.files ?? []).filter((file) => KINDS.includes(file.type));
}

/** Puts a text where the cursor is, so that it can be undone like what is typed. */
function insert(field, text) {
  field.focus();
  const before = field.value.slice(0, field.selectionStart);
  const own = before === "" || before.endsWith("\n") ? text : `\n${text}`;
  field.setRangeText(own, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function replace(field, old, text) {
  const at = field.value.indexOf(old);
  if (at < 0) return;
  const cursor = field.selectionStart;
  field.setRangeText(text, at, at + old.length);
  const moved = cursor > at ? Math.max(at, cursor + text.length - old.length) : cursor;
  field.setSelectionRange(moved, moved);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function say(field, text) {
  const status = field.form?.querySelector("[data-compose-status]");
  if (status) status.textContent = text;
}

async function upload(field, file) {
  last += 1;
  const name = file.name || "picture";
  const place = `![${name.replace(/[[\]\\!`<>*_]/g, "")} … uploading ${last}]()`;
  insert(field, `${place}\n`);
  say(field, `Uploading ${name} …`);
  const form = new FormData();
  form.append("file", file, name);
  try {
    const reply = await fetch("/api/uploads", {
      method: "POST",
      body: form,
      credentials: "same-origin",
      headers: { "X-CSRF-Token": field.form?.querySelector("[name=csrf]")?.value ?? "" },
    });
    const answer = await reply.json();
    if (!reply.ok) throw new Error(answer.detail || reply.statusText);
    replace(field, place, answer.markdown);
    say(field, `${name} is uploaded.`);
  } catch (error) {
    replace(field, `${place}\n`, "");
    say(field, `${name} was not uploaded: ${error.message}`);
  }
}

function take(event, transfer) {
  const files = pictures(transfer);
  if (files.length === 0) return;
  event.preventDefault();
  for (const file of files) upload(event.currentTarget, file);
}

for (const field of document.querySelectorAll("textarea[data-upload]")) {
  field.addEventListener("paste", (event) => take(event, event.clipboardData));
  field.addEventListener("drop", (event) => take(event, event.dataTransfer));
  field.addEventListener("dragover", (event) => {
    if (Array.from(event.dataTransfer?.items ?? []).some((item) => item.kind === "file")) event.preventDefault();
  });
}
