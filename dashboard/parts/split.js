// Who gets which share now, and where on the ladder of steps that is.

import { el, rebuild, setAttribute, setHidden, setText } from "../dom.js";
import { duration, percent } from "../numbers.js";
import { isTakenBack } from "../words.js";

export function split() {
  const toStable = arm("stable");
  const toCanary = arm("canary");
  const wanted = el("p", { className: "split-wanted" });
  const fill = el("div", { className: "bar-canary" });
  const bar = el("div", { className: "bar", role: "img" }, fill);
  const ladder = el("ol", { className: "ladder" });
  const element = el(
    "section",
    { className: "card split", "aria-label": "Split and steps" },
    el("div", { className: "split-arms" }, toStable.element, wanted, toCanary.element),
    bar,
    ladder,
  );
  return {
    element,
    update(status) {
      const { wanted: goal, inForce } = status.weight;
      toStable.update(percent(100 - inForce), status.stable.version);
      toCanary.update(status.canary ? percent(inForce) : "", status.canary?.version);
      setText(wanted, Math.abs(goal - inForce) < 0.005 ? "" : `${percent(goal)} wanted`);
      // Not a width: what is cut out moves nothing else.
      fill.style.clipPath = `inset(0 0 0 ${100 - inForce}%)`;
      const shares = status.canary ? `, ${percent(inForce)} to canary ${status.canary.version}` : "";
      setAttribute(bar, "aria-label", `${percent(100 - inForce)} to stable ${status.stable.version}${shares}`);
      setHidden(ladder, status.step.weights.length === 0);
      steps(ladder, status);
    },
  };
}

function arm(role) {
  const share = el("strong", { className: "share" });
  const version = el("span", { className: "version" });
  const element = el(
    "p",
    { className: `split-arm of-${role}` },
    share,
    el("span", { className: "role" }, role, " ", version),
  );
  return {
    element,
    update(text, name) {
      setText(share, text);
      setText(version, name ?? "none");
    },
  };
}

function steps(ladder, status) {
  const { weights, index } = status.step;
  rebuild(ladder, weights.join(" "), () => weights.map(rung));
  const isOver = isTakenBack(status);
  const isIdle = status.phase === "Healthy";
  [...ladder.children].forEach((step, i) => {
    const place = i + 1;
    const state = isIdle || place > index ? "ahead" : place < index ? "done" : isOver ? "failed" : "now";
    const words = { ahead: "", done: "✔ done", failed: "✖ taken back here", now: isIdle ? "" : clock(status.step) };
    setAttribute(step, "data-state", state);
    setAttribute(step, "aria-current", state === "now" ? "step" : null);
    setText(step.querySelector(".rung-state"), words[state]);
    const share = state === "done" ? 1 : state === "now" ? elapsed(status.step) : 0;
    step.querySelector(".rung-fill").style.transform = `scaleX(${share})`;
  });
}

function rung(weight) {
  return el(
    "li",
    { className: "rung" },
    el("span", { className: "rung-track", "aria-hidden": "true" }, el("span", { className: "rung-fill" })),
    el("span", { className: "rung-weight", textContent: percent(weight) }),
    el("span", { className: "rung-state" }),
  );
}

function elapsed(step) {
  return step.durationSeconds ? Math.min(1, step.elapsedSeconds / step.durationSeconds) : 1;
}

function clock(step) {
  if (step.durationSeconds === undefined) return `for ${duration(step.elapsedSeconds)}, until a person goes on`;
  return `${duration(Math.min(step.elapsedSeconds, step.durationSeconds))} of ${duration(step.durationSeconds)}`;
}
