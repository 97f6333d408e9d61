// Every rollout in one table: what is going on, who gets which share, and whether the canary is worse than stable.
// Rows are made once and then only what differs is changed, so that fifty of them cost nothing.

import * as api from "./api.js";
import { el, rebuild, setAttribute, setHidden, setText } from "./dom.js";
import { UNKNOWN, latency, perSecond, percent, success } from "./numbers.js";
import { worstMetric } from "./parts/compare.js";
import { PHASES, isTakenBack, metric as metricName, phase, sentenceCase } from "./words.js";

const EVERY_MS = 2_000;

const HEADS = [
  "Rollout",
  "Phase",
  "Canary's share",
  "Against stable",
  "Success",
  "P95",
  "Requests/s",
  "What it does or waits for",
];
const KEYS = ["name", "phase", "share", "against", "success", "p95", "rate", "message"];

export function list(link) {
  const filter = el("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter by name or version",
    autocomplete: "off",
    spellcheck: false,
  });
  let [only, shown, answer] = [null, new Map(), null];
  const counts = PHASES.map((name) =>
    el("button", { type: "button", className: "count", "aria-pressed": "false", onclick: () => choose(name) }),
  );
  const body = el("tbody", { role: "rowgroup" });
  const empty = el("p", { className: "empty", hidden: true });
  const table = el(
    "table",
    { className: "list", role: "table", "aria-label": "Rollouts" },
    el(
      "thead",
      { role: "rowgroup" },
      el(
        "tr",
        { role: "row" },
        ...HEADS.map((text, i) =>
          el("th", { scope: "col", role: "columnheader", className: `in-${KEYS[i]}`, textContent: text }),
        ),
      ),
    ),
    body,
  );
  const element = el(
    "section",
    { className: "card wide", data: { state: "empty" } },
    el(
      "div",
      { className: "list-bar" },
      el("h1", { textContent: "Rollouts" }),
      el("div", { className: "counts", role: "group", "aria-label": "Show only a phase" }, ...counts),
      el(
        "label",
        { className: "filter", for: "filter" },
        el("span", { className: "unseen", textContent: "Filter" }),
        filter,
      ),
    ),
    table,
    empty,
  );
  filter.oninput = show;
  let timer = 0;
  let isOpen = false;
  return { element, open, close, title: "Rollouts" };

  function open() {
    isOpen = true;
    look();
  }

  function close() {
    isOpen = false;
    clearTimeout(timer);
  }

  async function look() {
    clearTimeout(timer);
    try {
      const next = await api.list();
      if (!isOpen) return;
      link.heard();
      // The address of a fresh page names no place: where there is but one rollout, that is what people want to see.
      if (!answer && next.rollouts.length === 1 && !location.hash)
        return location.replace(address(next.rollouts[0].name));
      answer = next;
      link.server(answer.server);
      show();
    } catch (failure) {
      if (isOpen) link.failed(failure);
    }
    if (isOpen) timer = setTimeout(look, link.isLost() ? 1_000 : EVERY_MS);
  }

  function choose(name) {
    only = only === name ? null : name;
    show();
  }

  function show() {
    if (!answer) return;
    element.dataset.state = "shown";
    // What needs a person comes first; within a phase the order of the configuration stays.
    const rollouts = answer.rollouts.toSorted((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase));
    PHASES.forEach((name, i) => {
      const { sign } = phase({ phase: name, reason: "" });
      setText(counts[i], `${sign} ${rollouts.filter((status) => status.phase === name).length} ${name}`);
      setAttribute(counts[i], "aria-pressed", String(only === name));
    });
    const names = rollouts.map((status) => status.name);
    rebuild(body, names.join("\n"), () => {
      shown = new Map(names.map((name) => [name, shown.get(name) ?? row(name)]));
      return [...shown.values()].map((line) => line.element);
    });
    const wish = filter.value.trim().toLowerCase();
    let matching = 0;
    for (const status of rollouts) {
      const line = shown.get(status.name);
      const isWished = [status.name, status.stable.version, status.canary?.version ?? ""].some((text) =>
        text.toLowerCase().includes(wish),
      );
      const isShown = isWished && (only === null || status.phase === only);
      matching += Number(isShown);
      setHidden(line.element, !isShown);
      if (isShown) line.update(status);
    }
    setHidden(empty, matching > 0);
    setText(empty, rollouts.length === 0 ? "The configuration names no rollout." : "No rollout fits the filter.");
  }
}

const address = (name) => `#/rollout/${encodeURIComponent(name)}`;

function row(name) {
  const cells = Object.fromEntries(
    KEYS.map((key) => [
      key,
      el(key === "name" ? "th" : "td", {
        role: key === "name" ? "rowheader" : "cell",
        scope: key === "name" ? "row" : null,
        className: `in-${key}`,
      }),
    ]),
  );
  const link = el("a", { href: address(name), textContent: name });
  const versions = el("span", { className: "hint versions" });
  cells.name.append(link, versions);
  const fill = el("span", { className: "bar-canary" });
  const share = el("span", { className: "share-text" });
  cells.share.append(el("span", { className: "bar small", "aria-hidden": "true" }, fill), share);
  const message = el("span", { className: "clamp" });
  cells.message.append(message);
  const element = el("tr", { role: "row" }, ...Object.values(cells));
  return {
    element,
    update(status) {
      const shown = phase(status);
      const { stable, canary } = status;
      setText(versions, canary ? `${stable.version} → ${canary.version}` : stable.version);
      setText(cells.phase, `${shown.sign} ${shown.word}`);
      setAttribute(cells.phase, "data-tone", shown.tone);
      fill.style.clipPath = `inset(0 0 0 ${100 - status.weight.inForce}%)`;
      setText(share, canary ? percent(status.weight.inForce) : UNKNOWN);
      const [answer, tone] = against(status);
      setText(cells.against, answer);
      setAttribute(cells.against, "data-tone", tone);
      setText(cells.success, pair(success(stable.successRate), canary && success(canary.successRate)));
      setText(cells.p95, pair(latency(stable.p95Ms), canary && latency(canary.p95Ms)));
      setText(cells.rate, perSecond(stable.requestsPerSecond + (canary?.requestsPerSecond ?? 0)));
      const words = `${sentenceCase(shown.reason, [])}: ${status.message}`;
      setText(message, words);
      setAttribute(message, "title", words);
    },
  };
}

function pair(stable, canary) {
  return canary ? `${stable} / ${canary}` : stable;
}

function against(status) {
  if (!status.canary) return [UNKNOWN, "faint"];
  if (isTakenBack(status)) return ["✖ taken back", "bad"];
  if (status.canary.requests === 0) return ["○ no request yet", "faint"];
  const worst = worstMetric(status);
  if (!worst) return ["○ not compared", "faint"];
  if (worst.share >= 1) return [`✖ worse: ${metricName(worst.name).toLowerCase()}`, "bad"];
  if (worst.share >= 0.5) return [`▲ perhaps worse: ${metricName(worst.name).toLowerCase()}`, "warn"];
  return ["● no worse", "good"];
}
