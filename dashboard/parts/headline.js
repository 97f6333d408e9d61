// What is going on: the phase, its reason, and one sentence.

import { el, setAttribute, setText } from "../dom.js";
import { phase, sentenceCase } from "../words.js";

export function headline() {
  const sign = el("span", { className: "sign", "aria-hidden": "true" });
  const word = el("span", { className: "phase-word" });
  const reason = el("span", { className: "phase-reason" });
  const name = el("span", { className: "name" });
  const title = el("h1", { className: "headline-title" }, name, el("span", { className: "phase" }, sign, word, reason));
  const sentence = el("p", { className: "sentence" });
  // Read out when the phase changes, and only then.
  const spoken = el("p", { className: "unseen", role: "status" });
  const facts = el("p", { className: "facts" });
  const element = el("div", { className: "headline" }, title, sentence, facts, spoken);
  return {
    element,
    update(status) {
      const shown = phase(status);
      setAttribute(element, "data-tone", shown.tone);
      setText(name, status.name);
      setText(sign, shown.sign);
      setText(word, shown.word);
      setText(reason, ` · ${shown.reason}`);
      setText(spoken, `${status.name}: ${shown.word}, ${shown.reason}`);
      setText(sentence, sentenceCase(status.message, [status.stable.version, status.canary?.version]));
      const strategies = { blueGreen: "blue-green", canary: "canary", manual: "weight by hand" };
      setText(facts, `Strategy ${strategies[status.strategy] ?? status.strategy}, generation ${status.generation}`);
    },
  };
}
