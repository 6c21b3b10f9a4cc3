// Short messages at the foot of the page, read out by screen readers.

const SHOWN_MS = 6000;

/** Says a text; with an action, offers one way back such as "Undo". */
export function toast(text, action) {
  const place = document.querySelector("[data-toasts]");
  const note = document.createElement("div");
  note.className = "toast";
  note.append(text);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action.label;
    button.addEventListener("click", () => {
      note.remove();
      action.run();
    });
    note.append(button);
  }
  place.replaceChildren(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}
