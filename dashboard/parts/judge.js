// What the judge waits for, and how much of it is missing; once a canary was taken back: why, in words that an operator
// can repeat to a colleague. Both stand in the same place, so that a revert moves nothing on the page.

import { card, el, rebuild, setAttribute, setHidden, setText } from "../dom.js";
import { count, counted, duration, latency, score } from "../numbers.js";
import { deed, isTakenBack, metric as metricName, rule, sentenceCase } from "../words.js";

export function judge() {
  const list = el("ul", { className: "waits" });
  const progress = el("div", { className: "progress" });
  const story = el("p", { className: "story" });
  const numbers = el("dl", { className: "numbers" });
  const copy = el("button", { type: "button", className: "quiet", textContent: "Copy these words" });
  copy.onclick = () => navigator.clipboard.writeText(story.textContent).then(() => setText(copy, "Copied"));
  const element = card("What it waits for", "judge", list, progress, story, numbers, copy);
  const heading = element.heading;
  return {
    element,
    update(status) {
      const isOver = isTakenBack(status);
      setText(heading, isOver && status.canary ? `Why ${status.canary.version} was taken back` : "What it waits for");
      [list, progress].forEach((part) => setHidden(part, isOver));
      [story, numbers].forEach((part) => setHidden(part, !isOver));
      setHidden(copy, !isOver || !navigator.clipboard);
      if (isOver) {
        setText(story, retell(status));
        rebuild(numbers, JSON.stringify([status.verdict, status.revert]), () => figures(status).flatMap(pair));
      } else {
        setText(copy, "Copy these words");
        const waits = waitsFor(status);
        rebuild(list, waits.join("\n"), () => waits.map((text) => el("li", { textContent: text })));
        bars(progress, status);
      }
    },
  };
}

/** The whole story of a canary that was taken back. */
export function retell(status) {
  const { verdict, revert, canary, stable } = status;
  if (!verdict) return `${sentenceCase(status.message, [canary?.version])}.`;
  const limit = status.metrics.find((metric) => metric.metric === verdict.metric)?.limit;
  const parts = [
    `${rule(verdict.rule)}${count(verdict.x)} of ${counted(verdict.n, "request")} to ${canary?.version ?? "the canary"} ${deed(verdict.metric)}, ` +
      `while ${count(verdict.xStable)} of ${counted(verdict.nStable, "request")} to ${stable.version} did.`,
    limit && `Allowed is ${limit}.`,
    revert &&
      `From the first failure to weight 0 it took ${latency(revert.milliseconds)} and ${counted(revert.failedRequests, "failed request")}; ` +
        (revert.userFailures === 0 ? "no user saw one of them." : `users saw ${count(revert.userFailures)} of them.`),
    "Everyone is served by " + stable.version + " now.",
  ];
  return parts.filter(Boolean).join(" ");
}

function figures(status) {
  const { verdict, revert } = status;
  if (!verdict) return [];
  const against = (value, threshold) => `${score(value)} (needed: ${score(threshold)})`;
  return [
    ["Metric", metricName(verdict.metric)],
    ["N, canary requests", count(verdict.n)],
    ["X, of them bad", count(verdict.x)],
    ["Stable", `${count(verdict.xStable)} of ${count(verdict.nStable)}`],
    verdict.abs !== null && ["Score against the limit", against(verdict.abs, verdict.absThreshold)],
    verdict.rel !== null && ["Score against stable", against(verdict.rel, verdict.relThreshold)],
    revert && ["Took", `${latency(revert.milliseconds)}, ${counted(revert.failedRequests, "failed request")}`],
    revert && ["Seen by users", count(revert.userFailures)],
  ].filter(Boolean);
}

function pair([term, value]) {
  return el("div", {}, el("dt", { textContent: term }), el("dd", { textContent: value }));
}

function waitsFor(status) {
  if (status.waitingFor.length > 0) return status.waitingFor;
  if (status.phase === "Healthy") return ["A new version: the configuration or `sluice release` names one"];
  if (status.phase === "Paused") return ["A person: resume, promote or abort"];
  return ["Nothing: it goes on with the next look"];
}

/** The step's time and each proof, as far as they have got. */
function bars(element, status) {
  const rows = [];
  const { elapsedSeconds, durationSeconds } = status.step;
  if (status.phase === "Progressing" && durationSeconds) {
    const seen = Math.min(elapsedSeconds, durationSeconds);
    rows.push(["Time", seen / durationSeconds, `${duration(seen)} of ${duration(durationSeconds)}`]);
  }
  if (status.phase !== "Healthy") {
    for (const metric of status.metrics) {
      const { requestsSeen: seen, requestsNeeded: needed, verdict } = metric;
      if (metric.pro === null || metric.pro === undefined) continue;
      const isProven = verdict === "good" || (needed && seen >= needed);
      const text = isProven
        ? `proven with ${counted(seen, "request")}`
        : needed
          ? `${count(seen)} of ${counted(needed, "request")}`
          : "more requests alone won't prove it";
      rows.push([metricName(metric.metric), isProven ? 1 : needed ? seen / needed : 0, text]);
    }
  }
  rebuild(element, rows.map(([title]) => title).join(), () => rows.map(([title]) => bar(title)));
  rows.forEach(([title, share, text], i) => {
    const [, track, words] = element.children[i].children;
    setText(words, text);
    track.firstChild.style.transform = `scaleX(${Math.min(1, share)})`;
    setAttribute(track, "aria-valuenow", Math.round(Math.min(1, share) * 100));
    setAttribute(track, "aria-valuetext", text);
  });
}

function bar(title) {
  const track = el(
    "span",
    {
      className: "track",
      role: "meter",
      "aria-label": title,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": "0",
    },
    el("span", { className: "track-fill" }),
  );
  return el(
    "div",
    { className: "progress-row" },
    el("span", { className: "progress-title", textContent: title }),
    track,
    el("span", { className: "progress-text" }),
  );
}
