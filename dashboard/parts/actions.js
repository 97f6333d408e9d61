// The commands. Each names the generation that is on the page, so that nobody promotes what they have not seen.

import { command } from "../api.js";
import { card, el, setAttribute, setText } from "../dom.js";
import { percent } from "../numbers.js";
import * as token from "../token.js";
import { isTakenBack, isUnderTrial } from "../words.js";
import { ask } from "./dialog.js";
import { enter } from "./token.js";

const isManual = (status) => status.reason === "Manual";

/** In the order of the buttons: what each does, when it makes sense, and what is asked before. */
const COMMANDS = [
  {
    label: "Promote",
    verb: "promote",
    isPossible: (status) => isUnderTrial(status) && !isManual(status),
    question: (status) => ({
      title: `Promote ${status.canary.version}?`,
      text: `Ends the present wait${next(status)}, whatever evidence is missing. It goes on being judged.`,
      confirm: "Promote",
    }),
    done: "Promoted by one step.",
  },
  {
    label: "Promote full",
    verb: "promote",
    body: { full: true },
    isPossible: isUnderTrial,
    question: (status) => ({
      title: `Promote ${status.canary.version} in full?`,
      text: "Goes to 100 % at once and judges nothing any more: no failure takes it back by itself.",
      confirm: "Promote in full",
      tone: "warn",
    }),
    done: "Promoted in full.",
  },
  {
    label: "Pause",
    verb: "pause",
    isPossible: (status) => status.phase === "Progressing",
    done: "Paused: weight and clock stand still; a failing canary is still taken back.",
  },
  {
    label: "Resume",
    verb: "resume",
    isPossible: (status) => status.phase === "Paused" && !isManual(status) && status.reason !== "AwaitingPromotion",
    done: "Resumed.",
  },
  {
    label: "Retry",
    verb: "retry",
    isPossible: (status) => isTakenBack(status) && Boolean(status.canary),
    question: (status) => ({
      title: `Try ${status.canary.version} again?`,
      text: "It gets traffic again from the first step on, with fresh counts.",
      confirm: "Retry",
    }),
    done: "It begins again.",
  },
  {
    label: "Abort",
    verb: "abort",
    tone: "bad",
    isPossible: isUnderTrial,
    question: (status) => ({
      title: `Abort ${status.canary.version}?`,
      text: `Its weight goes from ${percent(status.weight.inForce)} to 0 at once; ${status.stable.version} serves everyone.`,
      confirm: "Abort now",
      tone: "bad",
      field: { label: "Reason, for events and history (may be empty)" },
    }),
    done: "Aborted: weight 0.",
  },
];

/** `take(status)` is given the rollout as it is after a command. */
export function actions(take) {
  let present = null;
  const buttons = COMMANDS.map((entry) => {
    const button = el("button", {
      type: "button",
      textContent: entry.label,
      className: "action",
      data: { tone: entry.tone ?? "plain" },
    });
    button.onclick = () => run(entry);
    return button;
  });
  const result = el("p", { className: "action-result", role: "status" });
  const element = card("Commands", "actions", el("div", { className: "action-row" }, ...buttons), result);
  token.onChange(() => say(hint()));
  say(hint());
  return {
    element,
    update(status) {
      present = status;
      COMMANDS.forEach((entry, i) =>
        setAttribute(buttons[i], "aria-disabled", entry.isPossible(status) ? null : "true"),
      );
    },
  };

  async function run(entry) {
    if (!present) return;
    if (!entry.isPossible(present))
      return say(`${entry.label}: not possible while it is ${present.phase} (${present.message})`, "faint");
    if (token.state() !== "right" && token.state() !== "unchecked" && !(await enter())) return say(hint());
    const seen = present;
    const answer = entry.question ? await ask(entry.question(seen)) : "";
    if (answer === null) return;
    const body = { generation: seen.generation, ...entry.body };
    if (answer) body.reason = answer;
    say(`${entry.label} …`, "faint");
    try {
      take(await command(seen.name, entry.verb, body));
      say(`✔ ${entry.done}`, "good");
    } catch (failure) {
      say(`✖ ${trouble(failure, entry.label)}`, "bad");
    }
  }

  function say(text, tone = "faint") {
    setText(result, text);
    setAttribute(result, "data-tone", tone);
  }
}

function hint() {
  const hints = {
    none: "⚿ You can look. Commands need the token of the admin API.",
    wrong: "✖ The token was refused: you can look, but not command.",
  };
  return hints[token.state()] ?? "";
}

function next(status) {
  const { weights, index } = status.step;
  if (index === 0) return "";
  return index < weights.length ? ` and goes on to ${percent(weights[index])}` : " and lets the old version go";
}

function trouble(failure, label) {
  const words = {
    unauthorized: "The token was refused, nothing was changed. Enter the right one above.",
    conflict: `Nothing was changed: ${failure.message}.`,
    notFound: `Nothing was changed: ${failure.message}.`,
    unreachable: `No answer (${failure.message}): it is not known whether "${label}" arrived. Look at the phase once it is live again.`,
  };
  return words[failure.kind] ?? `Refused: ${failure.message}.`;
}
