// What happened, newest first.

import { card, el, rebuild } from "../dom.js";
import { moment } from "../numbers.js";
import { event as eventWords } from "../words.js";

const KEPT = 200;

export function events() {
  const list = el("ol", { className: "event-list", tabIndex: 0, role: "list", "aria-label": "Events, newest first" });
  const element = card("Events", "events", list);
  const known = [];
  const keys = new Set();
  show();
  return {
    element,
    /** One more; the last ones come again after a reconnect. */
    add(decision) {
      const key = `${decision.atMs} ${decision.kind} ${decision.message}`;
      if (keys.has(key)) return;
      keys.add(key);
      // First: of two in the same millisecond the later one is the newer one.
      known.unshift(decision);
      known.sort((a, b) => b.atMs - a.atMs);
      known.splice(KEPT);
      show();
    },
  };

  function show() {
    rebuild(list, known.length === 0 ? "none" : `${known[0].atMs} ${known.length} ${known[0].message}`, () =>
      known.length === 0
        ? [el("li", { className: "empty", textContent: "Nothing since the proxy was started." })]
        : known.map(one),
    );
  }
}

function one(decision) {
  const [sign, word, tone] = eventWords(decision.kind);
  return el(
    "li",
    { className: "event" },
    el("time", { dateTime: new Date(decision.atMs).toISOString(), textContent: moment(decision.atMs) }),
    el("span", { className: "badge", data: { tone }, textContent: `${sign} ${word}` }),
    el("span", { className: "event-text", textContent: `${decision.version}: ${decision.message}` }),
  );
}
