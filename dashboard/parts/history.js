// Past generations. The record of a verdict is saved as a file that `sluice replay FILE` recomputes.

import { card, el, rebuild } from "../dom.js";
import { count, duration, moment, percent, score } from "../numbers.js";
import { deed, outcome as outcomeWords } from "../words.js";

export function history() {
  const list = el("ol", { className: "past-list", role: "list" });
  const element = card("History", "history", list);
  return {
    element,
    update(answer) {
      const { name, generations } = answer;
      const key = JSON.stringify(generations.map((past) => [past.generation, past.outcome]));
      rebuild(list, key, () =>
        generations.length === 0
          ? [el("li", { className: "empty", textContent: "No generation has ended yet." })]
          : generations.map((past) => one(name, past)),
      );
    },
  };
}

function one(name, past) {
  const [sign, word, tone] = outcomeWords(past.outcome);
  const times = [`reached ${percent(past.reached)}`, `took ${duration(past.durationMs / 1000)}`];
  if (past.startedAtMs) times.unshift(`began ${moment(past.startedAtMs)}`);
  if (past.endedAtMs) times.push(`ended ${moment(past.endedAtMs)}`);
  return el(
    "li",
    { className: "past" },
    el(
      "div",
      { className: "past-head" },
      el("span", { className: "past-number", textContent: `Generation ${past.generation}` }),
      el("span", { className: "version", textContent: past.version }),
      el("span", { className: "hint", textContent: `beside ${past.stable}` }),
      el("span", { className: "badge", data: { tone }, textContent: `${sign} ${word}` }),
    ),
    el("p", { className: "past-cause", textContent: past.cause }),
    past.verdict ? el("p", { className: "hint", textContent: scores(past.verdict) }) : null,
    el("p", { className: "hint", textContent: times.join(" · ") }),
    past.verdict?.record ? download(name, past) : null,
  );
}

function scores(verdict) {
  const parts = [
    `${count(verdict.x)} of ${count(verdict.n)} canary requests ${deed(verdict.metric)}, stable ${count(verdict.xStable)} of ${count(verdict.nStable)}`,
  ];
  if (verdict.abs !== null) parts.push(`score ${score(verdict.abs)} (${score(verdict.absThreshold)} needed)`);
  if (verdict.rel !== null) parts.push(`against stable ${score(verdict.rel)} (${score(verdict.relThreshold)} needed)`);
  return parts.join("; ");
}

/** The generation as `GET …/history` has it, alone in a file. */
function download(name, past) {
  const button = el("button", {
    type: "button",
    className: "quiet",
    textContent: "Save the record",
    title: "A file for `sluice replay`",
  });
  button.setAttribute("aria-label", `Save the record of generation ${past.generation}`);
  button.onclick = () => {
    const text = JSON.stringify({ name, generations: [past] }, null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    el("a", { href: address, download: `${name}-generation-${past.generation}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return button;
}
