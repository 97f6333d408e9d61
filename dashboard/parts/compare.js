// Is the canary better or worse than stable right now? The answer in a sentence, then both arms side by side.
//
// "Worse" is what the judge's comparison says, which knows how much chance can do. "Faster" and "fewer failures" are
// plain differences of the last half minute.

import { card, el, setAttribute, setText } from "../dom.js";
import { UNKNOWN, count, latency, perSecond, percent, success } from "../numbers.js";
import { isOutage, isTakenBack, isUnderTrial, metric as metricName } from "../words.js";

/** Title, value of an arm, and what the difference is called. */
const ROWS = [
  ["Success", (arm) => success(arm.recent.success), successDifference],
  ["P50", (arm) => latency(arm.recent.p50Ms), timeDifference("p50Ms")],
  ["P95", (arm) => latency(arm.recent.p95Ms), timeDifference("p95Ms")],
  ["P99", (arm) => latency(arm.recent.p99Ms), timeDifference("p99Ms")],
  ["Requests/s", (arm) => perSecond(arm.status.requestsPerSecond)],
  ["In flight", (arm) => count(arm.status.inFlight)],
  ["Requests in all", (arm) => count(arm.status.requests)],
  ["Success in all", (arm) => success(arm.status.successRate)],
  ["Failed in all", (arm) => count(arm.status.attemptFailures)],
  ["Seen by users", (arm) => count(arm.status.userFailures)],
];

export function compare() {
  const answer = el("p", { className: "answer" });
  const heads = ["stable", "canary", "difference"].map((role) =>
    el(
      "th",
      { scope: "col", className: `of-${role}` },
      el("span", { className: "role", textContent: role }),
      " ",
      el("span", { className: "version" }),
    ),
  );
  const rows = ROWS.map(([title]) => {
    const cells = ["stable", "canary", "difference"].map((role) => el("td", { className: `of-${role}` }));
    return { cells, element: el("tr", {}, el("th", { scope: "row", textContent: title }), ...cells) };
  });
  const table = el(
    "table",
    { className: "compare-table" },
    el("caption", {
      className: "hint",
      textContent: "The last 30 seconds (latencies: of a typical second); below the line, this generation",
    }),
    el("thead", {}, el("tr", {}, el("td"), ...heads)),
    el("tbody", {}, ...rows.map((row) => row.element)),
  );
  const element = card("Canary against stable, now", "compare", answer, table);
  return {
    element,
    update(status, past) {
      const arm = (role) => status[role] && { status: status[role], recent: past.recent(role, status.generation) };
      const [stable, canary] = [arm("stable"), arm("canary")];
      [status.stable.version, status.canary?.version ?? "none"].forEach((version, i) => {
        setText(heads[i].lastChild, version);
        setAttribute(heads[i], "title", version); // a long one is cut
      });
      ROWS.forEach(([, value, difference], i) => {
        const [ofStable, ofCanary, between] = rows[i].cells;
        setText(ofStable, value(stable));
        setText(ofCanary, canary ? value(canary) : UNKNOWN);
        const [words, tone] = (canary && difference?.(stable.recent, canary.recent)) || ["", "faint"];
        setText(between, words);
        setAttribute(between, "data-tone", tone);
      });
      const [sentence, tone] = judge(status, stable, canary);
      setText(answer, sentence);
      setAttribute(answer, "data-tone", tone);
    },
  };
}

/** The answer and its tone. */
export function judge(status, stable, canary) {
  if (!canary) return ["○ No canary", "faint"];
  if (isTakenBack(status)) return [`✖ ${canary.status.version} was taken back and gets nothing`, "bad"];
  if (isOutage(status)) return ["▲ No worse than stable, but both fail", "warn"];
  if (canary.recent.requests === 0) return ["○ Not known: no canary request in the last 30 s", "faint"];
  const worst = worstMetric(status);
  if (worst && worst.share >= 1) return [`✖ Worse than stable: ${metricName(worst.name).toLowerCase()}`, "bad"];
  if (worst && worst.share >= 0.5)
    return [`▲ Perhaps worse: strong sign in ${metricName(worst.name).toLowerCase()}`, "warn"];
  if (status.metrics.every((metric) => metric.rel === null)) return ["○ Not compared: stable gets no traffic", "faint"];
  return [`● No worse than stable${faster(stable.recent, canary.recent)}`, "good"];
}

/** The metric whose comparison with stable is nearest to its threshold, for lists too. */
export function worstMetric(status) {
  if (!isUnderTrial(status)) return null;
  const shares = status.metrics
    .filter((metric) => metric.rel !== null)
    .map((metric) => ({ name: metric.metric, share: metric.rel / metric.relThreshold }));
  return shares.sort((a, b) => b.share - a.share)[0] ?? null;
}

function faster(stable, canary) {
  const ratio = canary.p95Ms / stable.p95Ms;
  const isSmall = Math.abs(ratio - 1) < 0.3 || Math.abs(canary.p95Ms - stable.p95Ms) < 5;
  if (!stable.p95Ms || !canary.p95Ms || isSmall || !isTelling(stable, canary)) return "";
  return ratio < 1
    ? `, P95 ${percent(Math.round((1 - ratio) * 100))} faster`
    : `, though P95 is ${percent(Math.round((ratio - 1) * 100))} slower`;
}

/** From fewer requests a difference is shown, but nothing is made of it. */
function isTelling(stable, canary) {
  return Math.min(stable.requests, canary.requests) >= 100;
}

function successDifference(stable, canary) {
  if (stable.success === null || canary.success === null) return ["", "faint"];
  const points = Math.round((canary.success - stable.success) * 10_000) / 100;
  if (Math.abs(points) < 0.01) return ["same", "faint"];
  return points < 0
    ? [`${Math.abs(points)} points worse`, points < -0.5 ? "bad" : "faint"]
    : [`${points} points better`, isTelling(stable, canary) ? "good" : "faint"];
}

function timeDifference(field) {
  return (stable, canary) => {
    if (stable[field] === null || canary[field] === null) return ["", "faint"];
    const more = canary[field] - stable[field];
    const isSame = Math.abs(more) < 1 || Math.abs(more) / stable[field] < 0.05;
    if (isSame) return ["same", "faint"];
    const isMuch = Math.abs(more) / stable[field] > 0.5 && isTelling(stable, canary);
    return more > 0
      ? [`${latency(more)} slower`, isMuch ? "bad" : "faint"]
      : [`${latency(-more)} faster`, isMuch ? "good" : "faint"];
  };
}
