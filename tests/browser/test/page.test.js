// What people do on the page, in a real browser against a real proxy with real traffic.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";

import { NARROW, axe, launch, open } from "../src/browser.js";
import { Stage, WALKING, program } from "../src/stage.js";
import { until } from "../src/wait.js";

const MARKUP = "<img/src=x/onerror=alert(1)>";
const SHOP = "#/rollout/shop";

let browser;
let stage;

before(async () => {
  browser = await launch();
});
after(() => browser.close());
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await stage?.close();
  stage = undefined;
});

/** A stage and the page of its rollout, with the token. */
async function shop(options = {}, look = {}) {
  stage = await Stage.start(options);
  const page = await open(browser, stage.pageWithToken(), look);
  await page.waitForFunction(() => document.querySelector(".access-row")?.dataset.state === "right");
  await page.evaluate((hash) => (location.hash = hash), SHOP);
  await page.getByRole("heading", { level: 1, name: "shop" }).waitFor();
  return page;
}

/** Nothing was refused by the policy, no script failed, nothing came from elsewhere, and nothing jumped. */
async function assertCalm(page) {
  assert.deepEqual(page.faults, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
  const own = new URL(page.url()).origin;
  assert.deepEqual(
    page.requests.filter((url) => !url.startsWith(own) && !url.startsWith("blob:")),
    [],
  );
  const shifts = await page.evaluate(() => globalThis.shifts);
  const sum = shifts.reduce((total, [value]) => total + value, 0);
  assert.ok(sum < 0.02, `the layout shifts by ${sum}: ${JSON.stringify(shifts)}`);
}

const says = (page, text) => page.getByText(text).first().waitFor();

test("the page follows a rollout up its steps by itself", async () => {
  const page = await shop({ rollout: { ...WALKING, analysis: { successRate: { min: "90%" } } } });
  stage.load(150);
  await page.locator('.split .of-canary .share:text("20")').waitFor();
  await page.locator('.split .of-canary .share:text("60")').waitFor();
  await page.locator('.phase-word:text("Healthy")').waitFor();
  await page.locator('.split .of-stable .version:text("v2")').waitFor();
  await page.locator('.event-list .badge:text("completed")').waitFor();
  await page.locator('.past .badge:text("promoted")').waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 6);
  await assertCalm(page);
});

test("a canary is taken back by a button, and gets no traffic any more", async () => {
  const page = await shop();
  const seen = stage.load(100);
  await until("the canary gets traffic", () => seen.canary > 5);
  await page.getByRole("button", { name: "Abort" }).click();
  await page.getByLabel("Reason").fill("checkout is broken");
  await page.getByRole("button", { name: "Abort now" }).click();
  await says(page, "✔ Aborted: weight 0.");
  await page.locator('.phase-word:text("Degraded")').waitFor();
  assert.equal((await stage.status()).weight.inForce, 0);
  const [before, stable] = [seen.canary, seen.stable];
  await until("many more requests are answered", () => seen.stable > stable + 60);
  // What was under way when the weight fell may still come.
  assert.ok(seen.canary - before <= 2, `${seen.canary - before} more requests to the canary`);
  await says(page, "aborted by hand: checkout is broken");
  await assertCalm(page);
});

test("the keyboard alone is enough to abort", async () => {
  const page = await shop();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the content");
  for (let i = 0; i < 20 && (await focused()) !== "Abort"; i++) await page.keyboard.press("Tab");
  assert.equal(await focused(), "Abort");
  assert.notEqual(
    await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle),
    "none",
    "the focus can be seen",
  );
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(), "Abort", "the focus comes back");
  assert.equal((await stage.status()).phase, "Paused");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await page.locator('.phase-word:text("Degraded")').waitFor();
  await assertCalm(page);
});

test("a wrong token is told so and changes nothing, the right one can be entered", async () => {
  stage = await Stage.start();
  const page = await open(browser, stage.page("#token=wrong-token-0123456789"));
  await says(page, "✖ Wrong token: read only");
  assert.ok(!page.url().includes("token"), "the token leaves the address");
  await page.evaluate((hash) => (location.hash = hash), SHOP);
  await says(page, "The token was refused: you can look, but not command.");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("dialog").waitFor();
  await page.locator("#dialog-field").fill(stage.token);
  await page.keyboard.press("Enter");
  await says(page, "✔ Commands allowed");
  await says(page, "✔ Resumed.");
  const refused = page.faults.filter((fault) => !fault.includes("401"));
  assert.deepEqual(refused, []);
});

test("a command meant for another generation is refused in words", async () => {
  const page = await shop();
  await page.getByRole("button", { name: "Abort" }).click();
  await page.getByRole("dialog").waitFor();
  await stage.command("abort");
  await stage.command("retry");
  await page.getByRole("button", { name: "Abort now" }).click();
  await says(page, /Nothing was changed: .*generation/);
  // An abort that had got through would stay.
  await until("the new generation waits at its step", async () => (await stage.status()).phase === "Paused");
});

test("a proxy that wants the token for reads shows nothing without it", async () => {
  stage = await Stage.start({ admin: { auth: { reads: true } } });
  const page = await open(browser, stage.page(SHOP));
  await page.getByRole("heading", { name: "This proxy shows nothing without its token" }).waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole("main").getByRole("button", { name: "Enter token" }).click();
  await page.locator("#dialog-field").fill(stage.token);
  await page.keyboard.press("Enter");
  await page.locator('.phase-word:text("Paused")').waitFor();
});

test("names that contain markup are shown as they are", async () => {
  const page = await shop({ stable: "<b>v1</b>", canary: MARKUP });
  let alerts = 0;
  page.on("dialog", (dialog) => {
    alerts += 1;
    dialog.dismiss();
  });
  await page.locator(".split .of-canary .version").filter({ hasText: MARKUP }).waitFor();
  await stage.command("abort", { reason: "<script>alert(2)</script>" });
  await page.locator(".event-text").filter({ hasText: "<script>alert(2)</script>" }).waitFor();
  await page.locator(".past .version").filter({ hasText: MARKUP }).waitFor();
  await page.evaluate(() => (location.hash = "#/"));
  await page.locator(".versions").filter({ hasText: MARKUP }).waitFor();
  await page.evaluate(() => (location.hash = "#/rollout/%3Cimg%20src%3Dx%3E"));
  await page.getByRole("heading", { name: "<img src=x>" }).waitFor();
  assert.equal(await page.locator("main img, main script, main b").count(), 0);
  assert.equal(alerts, 0);
  assert.deepEqual(
    page.faults.filter((fault) => !fault.includes("404")),
    [],
  );
});

test("without the proxy the page says since when it is out of date, and comes back by itself", async () => {
  const page = await shop();
  await page.locator('#strip[data-state="live"]').waitFor();
  await stage.killProxy();
  await says(page, /▲ Out of date since \d\d:\d\d:\d\d/);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("main")).filter), "grayscale(1)");
  await page.locator('.phase-word:text("Paused")').waitFor();
  await stage.startProxy();
  await page.locator('#strip[data-state="live"]').waitFor();
  await stage.command("abort");
  await page.locator('.phase-word:text("Degraded")').waitFor();
});

test("a page that nobody sees lets go of its stream, and is back at once", async () => {
  const page = await shop();
  await page.clock.install();
  const show = (isHidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
  await show(true);
  const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
  await page.clock.fastForward(11_000);
  await ended;
  await stage.command("abort");
  await show(false);
  await page.locator('.phase-word:text("Degraded")').waitFor();
});

test("a revert is told with its evidence, and its record is a file that the command line recomputes", async () => {
  const page = await shop();
  stage.load(100);
  await stage.behave("canary", "failures=1");
  await page.getByRole("heading", { name: "Why v2 was taken back" }).waitFor();
  const story = await page.locator(".story").textContent();
  assert.match(
    story,
    /^\d+ of \d+ requests to v2 failed, while 0 of \d+ requests? to v1 did\. Allowed is at most 1 % failed\. From the first failure to weight 0 it took [\d.]+\s(ms|s) and \d+ failed requests?; no user saw one of them\./,
  );
  const verdict = (await stage.status()).verdict;
  await page.getByText(`${verdict.x} of ${verdict.n} requests to v2`).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save the record of generation 1" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "shop-generation-1.json");
  const file = await download.path();
  assert.equal(JSON.parse(readFileSync(file, "utf8")).generations.length, 1);
  const answer = JSON.parse(execFileSync(program("sluice"), ["replay", file], { encoding: "utf8" }));
  assert.equal(answer.decision, "revert");
  assert.ok(Math.abs(answer.abs - verdict.abs) < 1e-6, `${answer.abs} is not ${verdict.abs}`);
  await assertCalm(page);
});

test("fifty rollouts are a table that can be filtered, and polls by one request", async () => {
  stage = await Stage.start({
    rollouts: (arm, { stablePort, canaryPort }) =>
      Array.from({ length: 50 }, (_, i) => ({
        name: `service-${i + 1}`,
        stable: arm("v1", stablePort),
        ...(i % 5 ? {} : { canary: arm("v2", canaryPort) }),
        strategy: { canary: { steps: [{ setWeight: 20 }, { pause: {} }] } },
      })),
  });
  const page = await open(browser, stage.pageWithToken());
  await page.waitForFunction(() => document.querySelectorAll(".list tbody tr").length === 50);
  await page.getByRole("button", { name: "10 Paused" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".list tbody tr:not([hidden])").length === 10);
  await page.getByRole("button", { name: "10 Paused" }).click();
  await page.getByLabel("Filter").fill("service-4");
  await page.waitForFunction(() => document.querySelectorAll(".list tbody tr:not([hidden])").length === 11);
  await page.getByLabel("Filter").fill("");
  page.requests.length = 0;
  await page.waitForRequest(/v1\/rollouts/);
  await page.waitForRequest(/v1\/rollouts/);
  assert.ok(
    page.requests.every((url) => url.endsWith("/v1/rollouts?brief=true")),
    String(page.requests),
  );
  assert.deepEqual(await axe(page), []);
  await page.getByRole("link", { name: "service-26" }).click();
  await page.getByRole("heading", { level: 1, name: "service-26" }).waitFor();
  await assertCalm(page);
});

for (const [look, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { viewport: NARROW }],
]) {
  test(`axe finds nothing, ${look}`, async () => {
    const page = await shop({}, options);
    stage.load(60);
    await page.locator('.badge:text("undecided")').first().waitFor();
    assert.deepEqual(await axe(page), []);
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      "nothing is wider than the screen",
    );
    await page.getByRole("button", { name: "Abort" }).click();
    assert.deepEqual(await axe(page), [], "with an open question");
    await page.keyboard.press("Enter");
    await page.locator('.phase-word:text("Degraded")').waitFor();
    assert.deepEqual(await axe(page), [], "taken back");
    await page.evaluate(() => (location.hash = "#/"));
    await page.locator(".list tbody tr").waitFor();
    assert.deepEqual(await axe(page), [], "the list");
    await assertCalm(page);
  });
}

test("the first paint and what it takes (reported, not judged)", async () => {
  stage = await Stage.start();
  const page = await open(browser, stage.page(SHOP));
  const paints = [];
  for (let i = 0; i < 5; i++) {
    if (i > 0) await page.reload();
    await page.locator(".phase-word").waitFor();
    paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime));
  }
  const [first, ...again] = paints.map((ms) => ms?.toFixed(0));
  console.log(`first contentful paint: ${first} ms in a fresh browser, then ${again.join(", ")} ms`);
  assert.ok(paints.every((ms) => ms > 0));
});
