// Both arms over time: six small charts with one time axis. The values under the pointer, or the newest ones, stand in
// words above each chart; whoever can't see lines has the same numbers in the comparison.

import { card, el, setAttribute, setText } from "../dom.js";
import { UNKNOWN, clock, count, latency, percent } from "../numbers.js";
import { successOf } from "../past.js";

const HEIGHT = 132;
const RANGES = [
  [1, "1 min"],
  [5, "5 min"],
  [15, "15 min"],
];
const style = getComputedStyle(document.documentElement);
const colour = (name) => () => style.getPropertyValue(name).trim();
const quantile = (field) => (arm) => (sample) => sample[arm]?.[field];
const rate = (arm) => (sample) => sample[arm]?.requests;
const milliseconds = { format: latency, isLogarithmic: true };

/** Title, the lines (stable first) and how a value is written. */
const CHARTS = [
  {
    title: "Weight of the canary",
    lines: { canary: (sample) => sample.weight },
    format: percent,
    low: 0,
    high: 100,
    isStepped: true,
  },
  {
    title: "Success, over 10 s",
    lines: both(successOf),
    format: (value) => percent(Math.floor(value * 100 + 1e-6) / 100),
    high: 100,
  },
  { title: "Requests a second", lines: both(rate), format: (value) => count(Math.round(value)), low: 0 },
  { title: "P50", lines: both(quantile("p50Ms")), ...milliseconds },
  { title: "P95", lines: both(quantile("p95Ms")), ...milliseconds },
  { title: "P99", lines: both(quantile("p99Ms")), ...milliseconds },
];

export function charts() {
  let [minutes, past, Plot] = [5, null, null];
  const panels = CHARTS.map(panel);
  const ranges = RANGES.map(([range, label]) =>
    el("button", { type: "button", textContent: label, onclick: () => choose(range) }),
  );
  const legend = el(
    "p",
    { className: "legend" },
    el("span", { className: "key of-stable", textContent: "stable, thin line" }),
    el("span", { className: "key of-canary", textContent: "canary, thick line" }),
  );
  const bar = el(
    "div",
    { className: "chart-bar" },
    legend,
    el("div", { className: "ranges", role: "group", "aria-label": "Time shown" }, ...ranges),
  );
  const element = card(
    "Over time",
    "charts",
    bar,
    el("div", { className: "chart-grid" }, ...panels.map((panel) => panel.element)),
  );
  choose(minutes);
  const resized = new ResizeObserver(() => panels.forEach((panel) => panel.resize()));
  resized.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => panels.forEach((panel) => panel.plot?.redraw(false));
  scheme.addEventListener("change", repaint);
  // After the first paint: the library is the largest file of the page.
  bringStyle();
  import("../vendor/uplot/uPlot.esm.js").then((module) => {
    Plot = module.default;
    draw();
  });
  return {
    element,
    update(newer) {
      past = newer;
      draw();
    },
    close() {
      resized.disconnect();
      scheme.removeEventListener("change", repaint);
      panels.forEach((panel) => panel.plot?.destroy());
    },
  };

  function choose(range) {
    minutes = range;
    RANGES.forEach(([other], i) => setAttribute(ranges[i], "aria-pressed", String(other === range)));
    draw();
  }

  function draw() {
    if (Plot && past && past.samples.length > 0) panels.forEach((panel) => panel.draw(Plot, past, minutes * 60_000));
  }
}

/** The style of the library, once. */
function bringStyle() {
  if (document.getElementById("uplot-style")) return;
  document.head.append(el("link", { id: "uplot-style", rel: "stylesheet", href: "vendor/uplot/uPlot.min.css" }));
}

function both(line) {
  return { stable: line("stable"), canary: line("canary") };
}

function panel(chart) {
  const arms = Object.keys(chart.lines);
  const values = arms.map((arm) => el("span", { className: `value of-${arm}` }));
  const at = el("span", { className: "hint at" });
  const canvas = el("div", { className: "plot", role: "img" });
  const element = el(
    "figure",
    { className: "chart" },
    el("figcaption", {}, el("span", { className: "chart-title", textContent: chart.title }), ...values, at),
    canvas,
  );
  const self = { element, plot: null, draw, resize };
  return self;

  function draw(Plot, past, lastMs) {
    const columns = past.columns(Object.values(chart.lines), lastMs);
    self.span = [past.newest / 1000 - lastMs / 1000, past.newest / 1000];
    if (self.plot) self.plot.setData(columns);
    else if (canvas.clientWidth > 0) self.plot = new Plot(options(Plot), columns, canvas);
    read();
  }

  function resize() {
    const width = canvas.clientWidth;
    if (self.plot && width > 0 && width !== self.plot.width) self.plot.setSize({ width, height: HEIGHT });
  }

  /** Puts the values under the pointer, or the newest ones, into words. */
  function read() {
    const plot = self.plot;
    if (!plot) return;
    const pointed = plot.cursor.idx ?? null;
    const row = pointed ?? plot.data[0].length - 1;
    arms.forEach((arm, i) => setText(values[i], write(plot.data[i + 1][row])));
    setText(at, pointed === null ? "" : clock(plot.data[0][row] * 1000));
    if (pointed === null)
      setAttribute(
        canvas,
        "aria-label",
        `${chart.title}: ${arms.map((arm, i) => `${arm} ${values[i].textContent}`).join(", ")}`,
      );
  }

  function write(value) {
    return value === null || value === undefined ? UNKNOWN : chart.format(value);
  }

  function options(Plot) {
    const line = (arm) => ({
      stroke: colour(`--${arm}`),
      width: arm === "canary" ? 2.25 : 1.25,
      points: { show: false },
      // A weight holds until the next one: no slope between two of them.
      ...(chart.isStepped ? { paths: Plot.paths.stepped({ align: -1 }), fill: colour("--canary-faint") } : {}),
    });
    const axis = {
      stroke: colour("--muted"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: canvas.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 16, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "sluice" } },
      scales: {
        x: { range: () => self.span },
        y: { distr: chart.isLogarithmic ? 3 : 1, range: (plot, low, high) => bounds(chart, low, high) },
      },
      axes: [
        {
          ...axis,
          size: 24,
          space: 46,
          values: (plot, splits) =>
            splits.map((second) => (second % 60 ? clock(second * 1000).slice(5) : clock(second * 1000).slice(0, 5))),
        },
        {
          ...axis,
          size: 54,
          space: 28,
          values: (plot, splits) => splits.map((value) => chart.format(value)),
          ...(chart.isLogarithmic
            ? { splits: (plot, axis, low, high) => rungs(low, high), filter: (plot, splits) => splits }
            : {}),
        },
      ],
      series: [{}, ...arms.map(line)],
      hooks: { setCursor: [read] },
    };
  }
}

/** The values to be shown: never a range so small that noise looks like news. */
function bounds(chart, low, high) {
  if (chart.isLogarithmic) return [Math.max(0.05, (low ?? 1) / 1.5), Math.max(1, high ?? 10) * 1.5];
  const top = chart.high ?? Math.max(high ?? 0, 1) * 1.15;
  const bottom = chart.low ?? Math.min(99, Math.floor(low ?? 99));
  return [bottom, top];
}

/** 1, 1.5, 2, 3, … within the bounds; fewer where they would be many. */
function rungs(low, high) {
  const all = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    all.push(power, power * 1.5, power * 2, power * 3, power * 5, power * 7);
  const within = all.filter((value) => value >= low && value <= high);
  const leading = (value) => Math.round((value / 10 ** Math.floor(Math.log10(value) + 1e-9)) * 10) / 10;
  const tens = within.filter((value) => leading(value) === 1);
  if (within.length <= 5) return within;
  const coarse = within.filter((value) => [1, 2, 5].includes(leading(value)));
  return coarse.length <= 4 ? coarse : tens;
}
