// The parts of the page that need no browser: numbers, the past, the reader of events, the story of a revert.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as numbers from "../../../dashboard/numbers.js";
import { retell } from "../../../dashboard/parts/judge.js";
import { Past, successOf } from "../../../dashboard/past.js";
import { parser } from "../../../dashboard/stream.js";

const plain = (text) => text.replaceAll("\u202f", " ");
const arm = (requests, failures, p95Ms = 5) => ({ requests, failures, p50Ms: 4, p95Ms, p99Ms: 9 });
const sample = (second, canary, generation = 1) => ({
  atMs: second * 1000,
  generation,
  weight: 10,
  stable: arm(90, 0),
  canary,
});

test("numbers read as on the command line", () => {
  assert.deepEqual(
    [1, 0.999999, 0.9999, 0.9968, 0, null].map((rate) => plain(numbers.success(rate))),
    ["100 %", "99.99 %", "99.99 %", "99.68 %", "0 %", "–"],
  );
  assert.deepEqual(
    [0.42, 4, 9.96, 41.4, 999.6, 12_340].map((ms) => plain(numbers.latency(ms))),
    ["0.4 ms", "4 ms", "10 ms", "41 ms", "1.00 s", "12.34 s"],
  );
  assert.deepEqual([0.4, 59.9, 130, 300, 3_900, 273_600].map(numbers.duration), [
    "0s",
    "59s",
    "2m 10s",
    "5m",
    "1h 5m",
    "3d 4h",
  ]);
  assert.deepEqual([20.707, -3.12, -0.01].map(numbers.score), ["20.7", "−3.1", "0.0"]);
  assert.equal(numbers.count(1_234_567), "1,234,567");
});

test("a sample counts once, and only fifteen minutes are kept", () => {
  const past = new Past();
  assert.ok(past.add([sample(1, null), sample(2, null)]));
  assert.ok(!past.add([sample(2, null)]));
  past.add([sample(1_000, null)]);
  assert.deepEqual(
    past.samples.map(({ atMs }) => atMs),
    [1_000_000],
  );
});

test("the last half minute is of this generation alone", () => {
  const past = new Past();
  past.add([sample(100, arm(10, 10), 1), sample(120, arm(10, 1), 2), sample(121, arm(10, 1, 7), 2)]);
  const recent = past.recent("canary", 2);
  assert.equal(recent.requests, 20);
  assert.ok(Math.abs(recent.success - 0.9) < 1e-9);
  assert.equal(past.recent("canary", 3).success, null);
});

test("a lost minute breaks a line, a second without requests does not", () => {
  const past = new Past();
  past.add([sample(1, arm(2, 1)), sample(2, { ...arm(0, 0), p95Ms: null }), sample(60, arm(2, 0))]);
  const [times, p95, success] = past.columns([({ canary }) => canary.p95Ms, successOf("canary")], 900_000);
  assert.deepEqual(times, [1, 2, 2.001, 60]);
  assert.deepEqual(p95, [5, undefined, null, 5]);
  assert.equal(success[0], 50);
});

test("events are read whole, however the stream is cut", () => {
  const text = 'event: status\ndata: {"a":1}\n\n: alive\n\nevent: decision\ndata: {"b":"x: y"}\n\n';
  for (const size of [1, 7, text.length]) {
    const seen = [];
    const parse = parser((kind, value) => seen.push([kind, value]));
    for (let at = 0; at < text.length; at += size) parse(text.slice(at, at + size));
    assert.deepEqual(seen, [
      ["status", { a: 1 }],
      ["decision", { b: "x: y" }],
    ]);
  }
});

test("the story of a revert names N, X, limit, requests and time, and of an abort its reason", () => {
  const verdict = { rule: "sequential", metric: "failures", n: 5, x: 5, nStable: 95, xStable: 0 };
  const status = {
    message: "v2 was taken back: not today",
    canary: { version: "v2" },
    stable: { version: "v1" },
    metrics: [{ metric: "failures", limit: "at most 1 % failed" }],
    verdict,
    revert: { milliseconds: 38.2, failedRequests: 5, userFailures: 0 },
  };
  assert.equal(
    plain(retell(status)),
    "5 of 5 requests to v2 failed, while 0 of 95 requests to v1 did. Allowed is at most 1 % failed. From the first failure to weight 0 it took 38 ms and 5 failed requests; no user saw one of them. Everyone is served by v1 now.",
  );
  assert.equal(retell({ ...status, verdict: undefined }), "v2 was taken back: not today.");
});
