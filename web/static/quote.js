// A part of a post that is selected is quoted in the form at the end of the topic's page, where "Quote" else leads to a
// form with the whole post. What is written is what `handlers/writing/quote.rs` writes.

const form = document.querySelector("#reply form");
const note = form?.querySelector("[data-answering]");

for (const link of document.querySelectorAll("a[data-quote]")) {
  link.addEventListener("click", (event) => {
    const selected = selection(link.closest("article")?.querySelector(".text"));
    if (!form || selected === "") return;
    event.preventDefault();
    const { quote: number, author, path } = link.dataset;
    const body = form.elements.body;
    const before = body.value.trim() === "" ? "" : `${body.value.trimEnd()}\n\n`;
    const name = author.replace(/[!-/:-@[-`{-~]/g, "\\$&");
    body.value = `${before}> [${name}](${path}):\n>\n${selected.replace(/^/gm, "> ")}\n\n`;
    answer(number, author);
    body.focus();
    body.setSelectionRange(body.value.length, body.value.length);
    body.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

// What is selected of an element's text.
function selection(element) {
  const selected = getSelection();
  if (!element || !selected.rangeCount) return "";
  const range = selected.getRangeAt(0);
  return element.contains(range.commonAncestorContainer) ? selected.toString().trim() : "";
}

// Has the form answer a post, and say so.
function answer(number, author) {
  form.elements.to.value = number;
  const rather = document.createElement("button");
  rather.type = "button";
  rather.className = "plain";
  rather.textContent = "Answer the topic instead";
  rather.addEventListener("click", () => {
    form.elements.to.value = "";
    note.hidden = true;
    form.elements.body.focus();
  });
  note.replaceChildren(`You answer #${number} by ${author}. `, rather);
  note.hidden = false;
}
