// How far each verdict is: for every metric the same three questions as on the command line, each with its numbers.

import { card, el, rebuild, setAttribute, setText } from "../dom.js";
import { count, counted, score } from "../numbers.js";
import { deed, hasLimit, isTakenBack, judgement, metric as metricName } from "../words.js";

export function evidence() {
  const body = el("div", { className: "metrics" });
  const element = card(
    "Evidence",
    "evidence",
    el("p", {
      className: "hint",
      textContent: "Scores are nats: a revert needs both, against the limit and against stable.",
    }),
    body,
  );
  return {
    element,
    update(status) {
      const names = status.metrics.map((metric) => metric.metric);
      rebuild(body, names.join() || "none", () =>
        names.length > 0
          ? names.map(one)
          : [el("p", { className: "empty", textContent: "No metric is analysed at present." })],
      );
      status.metrics.forEach((metric, i) => body.children[i].update(decided(metric, status)));
    },
  };
}

/** The metric that took the canary back is shown as it was in the window that decided. */
function decided(metric, { verdict, ...status }) {
  if (!isTakenBack(status) || verdict?.metric !== metric.metric) return metric;
  const { n, x, nStable, xStable, abs, absThreshold, rel, relThreshold } = verdict;
  return { ...metric, n, x, nStable, xStable, abs, absThreshold, rel, relThreshold, isDecided: true };
}

function one(name) {
  const badge = el("span", { className: "badge" });
  const counts = el("p", { className: "metric-counts" });
  const limit = el("p", { className: "hint" });
  const questions = [];
  if (hasLimit(name))
    questions.push(question("Beyond the limit?", (metric) => suspicion(metric.abs, metric.absThreshold)));
  questions.push(question("Worse than stable?", (metric) => suspicion(metric.rel, metric.relThreshold)));
  if (hasLimit(name)) questions.push(question("Enough seen?", proof));
  const element = el(
    "article",
    { className: "metric" },
    el("h3", {}, metricName(name), " ", badge),
    limit,
    counts,
    ...questions.map((row) => row.element),
  );
  element.update = (metric) => {
    const [sign, word, tone] = judgement(metric.verdict);
    setText(badge, `${sign} ${word}`);
    setAttribute(badge, "data-tone", tone);
    setText(limit, metric.limit);
    const window = metric.isDecided ? "In the window that decided: " : "";
    setText(
      counts,
      `${window}N ${count(metric.n)} canary requests, X ${count(metric.x)} ${deed(name)}; stable ${count(metric.xStable)} of ${count(metric.nStable)}`,
    );
    questions.forEach((row) => row.update(metric));
  };
  return element;
}

/** A question, the answer in a word, a meter and the numbers behind it. */
function question(text, answer) {
  const word = el("span", { className: "answer-word" });
  const fill = el("span", { className: "track-fill" });
  const meter = el(
    "span",
    {
      className: "track",
      role: "meter",
      "aria-label": text,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": "0",
    },
    fill,
  );
  const numbers = el("span", { className: "numbers-text" });
  const element = el(
    "div",
    { className: "question" },
    el("span", { className: "question-text", textContent: text }),
    word,
    meter,
    numbers,
  );
  return {
    element,
    update(metric) {
      const shown = answer(metric);
      const share = Math.min(1, Math.max(0, shown.share));
      setAttribute(element, "data-tone", shown.tone);
      setText(word, shown.word);
      setText(numbers, shown.numbers);
      fill.style.transform = `scaleX(${share})`;
      setAttribute(meter, "aria-valuenow", Math.round(share * 100));
      setAttribute(meter, "aria-valuetext", `${shown.word}, ${shown.numbers}`);
    },
  };
}

/** How strongly a score speaks against the canary. */
function suspicion(value, threshold) {
  if (value === null || value === undefined)
    return { word: "not compared", tone: "faint", share: 0, numbers: "stable gets no traffic" };
  const share = value / threshold;
  const numbers = `score ${score(value)} ${value < threshold ? "<" : "≥"} ${score(threshold)}`;
  if (share >= 1) return { word: "yes", tone: "bad", share, numbers };
  if (share >= 0.5) return { word: "strong sign", tone: "warn", share, numbers };
  return value > 0
    ? { word: "weak sign", tone: "plain", share, numbers }
    : { word: "no sign", tone: "good", share, numbers };
}

function proof(metric) {
  if (metric.isDecided) return { word: "–", tone: "faint", share: 0, numbers: "taken back" };
  const { requestsSeen: seen, requestsNeeded: needed, pro, proThreshold } = metric;
  const scores = pro === null || pro === undefined ? "" : `, proof ${score(pro)} of ${score(proThreshold)}`;
  if (!needed)
    return {
      word: "no",
      tone: "warn",
      share: 0,
      numbers: `${counted(seen, "request")}; more alone won't prove it at this rate`,
    };
  if (seen >= needed)
    return {
      word: "yes",
      tone: "good",
      share: 1,
      numbers: `${counted(seen, "request")}, ${count(needed)} needed${scores}`,
    };
  return {
    word: "not yet",
    tone: "accent",
    share: seen / needed,
    numbers: `${count(seen)} of ${count(needed)} requests needed${scores}`,
  };
}
