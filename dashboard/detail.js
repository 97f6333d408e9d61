// One rollout. It opens one stream of events and no more: a browser has six connections to a server for all its tabs.

import * as api from "./api.js";
import { el } from "./dom.js";
import { actions } from "./parts/actions.js";
import { arms } from "./parts/arms.js";
import { charts } from "./parts/charts.js";
import { compare } from "./parts/compare.js";
import { events } from "./parts/events.js";
import { evidence } from "./parts/evidence.js";
import { headline } from "./parts/headline.js";
import { history } from "./parts/history.js";
import { judge } from "./parts/judge.js";
import { split } from "./parts/split.js";
import { Past } from "./past.js";
import { listen } from "./stream.js";

const AGAIN_AFTER_MS = 1_000;
const SERVER_EVERY_MS = 5_000;
const SAMPLES_EVERY_MS = 1_000;

export function detail(name, link) {
  const past = new Past();
  const parts = {
    headline: headline(),
    actions: actions(take),
    split: split(),
    compare: compare(),
    judge: judge(),
    charts: charts(),
    evidence: evidence(),
    arms: arms(),
    events: events(),
    history: history(),
  };
  const place = ({ element }) => element;
  const element = el(
    "div",
    { className: "detail", data: { state: "empty" } },
    el("div", { className: "row lead" }, place(parts.headline), place(parts.actions)),
    place(parts.split),
    el("div", { className: "row halves" }, place(parts.compare), place(parts.judge)),
    place(parts.charts),
    place(parts.evidence),
    el("div", { className: "row thirds" }, place(parts.arms), place(parts.events)),
    place(parts.history),
  );
  const gone = el(
    "section",
    { className: "card plain", hidden: true },
    el("h1", { textContent: name }),
    el("p", { textContent: "There is no rollout of this name in the configuration." }),
    el("a", { href: "#/", textContent: "All rollouts" }),
  );
  const both = el("div", {}, element, gone);
  let [end, sampledAt, serverAt] = [null, 0, 0];
  let [isHistoryOld, isAsking] = [false, false];
  return { element: both, open, close, title: name };

  function open() {
    end = new AbortController();
    follow(end.signal);
  }

  function close(isForGood) {
    end?.abort();
    if (isForGood) parts.charts.close();
  }

  /** Listens until it is closed; begins again whenever the connection ends. */
  async function follow(signal) {
    while (!signal.aborted) {
      try {
        const [series] = await Promise.all([api.series(name, past.newest), lookAtHistory(), lookAtServer()]);
        if (signal.aborted) return;
        past.add(series.samples);
        show(true);
        await listen(api.eventsPath(name), signal, receive);
      } catch (failure) {
        if (signal.aborted) return;
        show(failure.kind !== "notFound");
        if (failure.kind === "notFound") link.heard();
        else link.failed(failure);
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }

  function receive(kind, value) {
    link.heard();
    if (kind === "status") take(value);
    if (kind === "decision") {
      parts.events.add(value);
      lookAtHistory(); // any of them may have ended a generation
    }
  }

  function take(status) {
    element.dataset.state = "shown";
    for (const part of ["headline", "actions", "split", "judge", "evidence", "arms"]) parts[part].update(status);
    parts.compare.update(status, past);
    const now = performance.now();
    if (now - sampledAt >= SAMPLES_EVERY_MS - 100) {
      sampledAt = now;
      api.series(name, past.newest).then(
        ({ samples }) => past.add(samples) && parts.charts.update(past),
        () => {},
      );
    }
    if (now - serverAt >= SERVER_EVERY_MS) lookAtServer().catch(() => {});
  }

  /** One question at a time, so that no older answer comes after a newer one. */
  async function lookAtHistory() {
    isHistoryOld = true;
    if (isAsking) return;
    isAsking = true;
    while (isHistoryOld) {
      isHistoryOld = false;
      // What can't be had now comes when the connection is there again.
      await api.history(name).then(parts.history.update, () => {});
    }
    isAsking = false;
  }

  async function lookAtServer() {
    serverAt = performance.now();
    const { server } = await api.list();
    link.server(server);
  }

  function show(isThere) {
    element.hidden = !isThere;
    gone.hidden = isThere;
    if (past.samples.length > 0) parts.charts.update(past);
  }
}
