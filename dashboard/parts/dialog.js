// A question before something that matters. Escape and Cancel change nothing; Enter confirms.

import { el } from "../dom.js";

/** Asks; gives what was written into the field (empty without one), or `null`. */
export function ask({ title, text, confirm, tone, field }) {
  const input =
    field &&
    el("input", {
      type: field.type ?? "text",
      id: "dialog-field",
      maxLength: field.maxLength ?? 200,
      autocomplete: "off",
      spellcheck: false,
    });
  const yes = el("button", {
    type: "submit",
    className: "strong",
    textContent: confirm,
    data: { tone: tone ?? "accent" },
  });
  const no = el("button", { type: "button", textContent: "Cancel" });
  const form = el(
    "form",
    {},
    el("h2", { id: "dialog-title", textContent: title }),
    el("p", { id: "dialog-text", textContent: text }),
    input && el("label", { for: "dialog-field", textContent: field.label }),
    input,
    el("div", { className: "dialog-buttons" }, no, yes),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" }, form);
  const asker = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  (field?.isFirst ? input : yes).focus();
  return new Promise((resolve) => {
    let answer = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      answer = input?.value.trim() ?? "";
      dialog.close();
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => {
      dialog.remove();
      asker?.focus();
      resolve(answer);
    };
  });
}
