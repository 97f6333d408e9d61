// One word, one sign and one tone for each thing the engine can say. A tone is a colour; it never stands alone.

export const PHASES = ["Degraded", "Paused", "Progressing", "Healthy"];

const SIGNS = { Healthy: "✔", Progressing: "◐", Paused: "‖", Degraded: "✖" };

const REASONS = {
  Stable: "no canary",
  Completed: "promoted",
  Ready: "about to begin",
  Step: "on its way",
  HeldShared: "held: both versions fail",
  Suspended: "suspended: both versions fail",
  Baking: "baking at 100 %",
  Preview: "in preview",
  PostPromotion: "promoted, watched",
  PauseStep: "the plan waits for a person",
  ByCommand: "paused by hand",
  Worse: "worse than stable",
  Inconclusive: "too little evidence",
  SuspendedTooLong: "suspended too long",
  ProxyVeto: "one proxy took it back",
  AwaitingPromotion: "waits for promotion",
  Manual: "weight by hand",
  Reverted: "taken back by its numbers",
  Aborted: "taken back by hand",
  PodFault: "its pods failed",
  StateLost: "the past is unknown",
};

const METRICS = { failures: "Failures", latency: "Latency", "4xx": "4xx answers", cancels: "Client cancels" };
const DEEDS = {
  failures: "failed",
  latency: "were too slow",
  "4xx": "were answered 4xx",
  cancels: "were cancelled by the client",
};

const JUDGEMENTS = {
  good: ["●", "good", "good"],
  bad: ["✖", "bad", "bad"],
  undecided: ["◌", "undecided", "warn"],
  noData: ["○", "no request yet", "faint"],
};

const OUTCOMES = {
  promoted: ["✔", "promoted", "good"],
  promotedFull: ["✔", "promoted in full", "good"],
  reverted: ["✖", "taken back", "bad"],
  aborted: ["✖", "aborted", "bad"],
  superseded: ["→", "superseded", "faint"],
  withdrawn: ["←", "withdrawn", "faint"],
};

const EVENTS = {
  started: ["▸", "started", "accent"],
  step: ["▴", "step", "accent"],
  paused: ["‖", "paused", "warn"],
  resumed: ["▸", "resumed", "accent"],
  held: ["◼", "held", "warn"],
  suspended: ["◼", "suspended", "warn"],
  reverted: ["✖", "taken back", "bad"],
  aborted: ["✖", "aborted", "bad"],
  completed: ["✔", "completed", "good"],
  note: ["·", "note", "faint"],
};

/** The sign of a phase, its tone, and its reason in words. A newer server may know reasons that this page does not. */
export function phase(status) {
  const { phase, reason } = status;
  const tones = { Healthy: "good", Progressing: isOutage(status) ? "warn" : "accent", Paused: "warn", Degraded: "bad" };
  const tone = reason === "Manual" ? "accent" : (tones[phase] ?? "faint");
  return { sign: SIGNS[phase] ?? "?", word: phase, tone, reason: REASONS[reason] ?? reason };
}

export const metric = (name) => METRICS[name] ?? name;
export const deed = (name) => DEEDS[name] ?? `counted as ${name}`;
/** Whether the metric has a limit of its own; the others are compared with stable only. */
export const hasLimit = (name) => name === "failures" || name === "latency";
export const judgement = (name) => JUDGEMENTS[name] ?? ["?", name, "faint"];
export const outcome = (name) => OUTCOMES[name] ?? ["?", name, "faint"];
export const event = (name) => EVENTS[name] ?? ["·", name, "faint"];

/** With a capital letter, unless the first word is the name of a version. */
export function sentenceCase(text, versions) {
  const isName = versions.some((version) => version && text.startsWith(version));
  return isName ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** Whether it was taken back. */
export const isTakenBack = (status) => status.phase === "Degraded";

/** Whether both versions fail. */
export const isOutage = ({ reason }) => ["HeldShared", "Suspended", "SuspendedTooLong"].includes(reason);

/** Whether a canary may get traffic now. */
export const isUnderTrial = (status) => Boolean(status.canary) && !isTakenBack(status);

/** What a verdict rests on, in the first words of a sentence. */
export function rule(name) {
  const rules = {
    comparison: "Worse than stable, though within the limit: ",
    backstop: "Too many failed interval measurements: ",
    suspected: "The outage of both versions ended when the canary got no traffic: ",
  };
  return rules[name] ?? "";
}
