// Says whether commands are possible, and takes the token from whoever has it.

import { checkToken } from "../api.js";
import { el, setAttribute, setText } from "../dom.js";
import * as token from "../token.js";
import { ask } from "./dialog.js";

const WHERE =
  "It stands in the file admin.token in the proxy's stateDir, and in the address that the proxy prints when it starts.";

const STATES = {
  none: ["⚿ Read only", "Enter token"],
  unchecked: ["⚿ Token not checked yet", "Change token"],
  right: ["✔ Commands allowed", "Change token"],
  wrong: ["✖ Wrong token: read only", "Enter token"],
};

/** For the top of the page: the state in words, and a button. */
export function access() {
  const words = el("span", { className: "access-state" });
  const button = el("button", { type: "button", className: "quiet", onclick: enter });
  const element = el("div", { className: "access-row" }, words, button);
  const show = () => {
    const [state, action] = STATES[token.state()];
    setText(words, state);
    setText(button, action);
    setAttribute(element, "data-state", token.state());
  };
  token.onChange(show);
  show();
  return element;
}

/** Asks for the token; says whether there is a right one afterwards. */
export async function enter() {
  const text =
    token.state() === "wrong"
      ? `The present token was refused. ${WHERE}`
      : `Commands need the token of the admin API. ${WHERE}`;
  const answer = await ask({
    title: "Token",
    text,
    confirm: "Use this token",
    field: { label: "Token", type: "password", isFirst: true },
  });
  if (answer === null) return false;
  token.set(answer);
  await checkToken();
  return token.state() === "right";
}

/** Instead of everything else, where the proxy shows nothing without the token. */
export function locked() {
  const button = el("button", {
    type: "button",
    className: "strong",
    textContent: "Enter token",
    data: { tone: "accent" },
    onclick: enter,
  });
  return el(
    "section",
    { className: "card plain" },
    el("h1", { textContent: "This proxy shows nothing without its token" }),
    el("p", { textContent: WHERE }),
    button,
  );
}
