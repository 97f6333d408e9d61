// Pictures of the page in every phase, into target/screenshots: to be looked at. `node screenshots.js`, or
// `make screenshots`.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { NARROW, launch, open } from "./src/browser.js";
import { Stage } from "./src/stage.js";
import { until } from "./src/wait.js";

const FOLDER = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));
const LOOKS = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["narrow", { colorScheme: "light", viewport: NARROW }],
];
const only = process.argv[2];

const STEPS = [
  { setWeight: 10 },
  { pause: { duration: "8s" } },
  { setWeight: 25 },
  { pause: { duration: "10m" } },
  { setWeight: 50 },
  { pause: { duration: "10m" } },
];
const SHOP = {
  strategy: { canary: { steps: STEPS, bake: "5m" } },
  analysis: { successRate: { min: "97%" }, latency: { quantile: 0.95, max: "200ms" } },
};

mkdirSync(FOLDER, { recursive: true });
const browser = await launch();
const scenes = { story, held, list };
for (const [name, scene] of Object.entries(scenes)) if (!only || only === name) await scene();
await browser.close();

/** One rollout through its phases, with the pages open all the time. */
async function story() {
  const stage = await Stage.start({ stable: "v41", canary: "v42", rollout: { ...SHOP, canary: undefined } });
  stage.load(120);
  const pages = await openAll(stage, "#/rollout/shop");
  await shoot(pages, "healthy");
  const canary = { version: "v42", endpoints: [`127.0.0.1:${stage.canaryPort}`] };
  await release(stage, canary);
  await until("it has come to the second step", async () => (await stage.status()).weight.inForce === 25);
  await pause(30_000);
  await shoot(pages, "progressing");
  await crop(pages[0][1], "readme-progressing");
  await stage.command("pause");
  await shoot(pages, "paused");
  await stage.command("resume");
  await stage.behave("canary", "failures=0.2");
  await until("it was taken back", async () => (await stage.status()).phase === "Degraded");
  await pause(6_000);
  await shoot(pages, "degraded");
  await crop(pages[1][1], "readme-degraded");
  await stage.killProxy();
  await pause(5_000);
  await shoot(pages.slice(0, 1), "out-of-date");
  await done(pages, stage);
}

/** Both versions fail. */
async function held() {
  const stage = await Stage.start({ rollout: SHOP });
  stage.load(120);
  const pages = await openAll(stage, "#/rollout/shop");
  await until("the canary has requests", async () => (await stage.status()).canary.requests > 60);
  await Promise.all([stage.behave("stable", "failures=1"), stage.behave("canary", "failures=1")]);
  await until("it is held", async () => ["HeldShared", "Suspended"].includes((await stage.status()).reason));
  await pause(1_500);
  await shoot(pages, "held");
  await done(pages, stage);
}

/** Many rollouts. */
async function list() {
  const stage = await Stage.start({
    rollouts: (arm, { stablePort, canaryPort }) =>
      Array.from({ length: 24 }, (_, i) => ({
        name: i === 0 ? "shop" : `service-${i + 1}`,
        stable: arm("v1", stablePort),
        ...(i % 3 === 0 ? { canary: arm("v2", canaryPort) } : {}),
        ...(i % 2 ? SHOP : { strategy: { canary: { steps: [{ setWeight: 20 }, { pause: {} }] } } }),
      })),
  });
  await stage.command("abort", { reason: "not today" }, "service-7");
  const pages = await openAll(stage, "");
  await shoot(pages, "list");
  await done(pages, stage);
}

async function openAll(stage, place) {
  return Promise.all(
    LOOKS.map(async ([name, options]) => {
      const page = await open(browser, stage.pageWithToken(), options);
      await page.evaluate((hash) => (location.hash = hash), place);
      if (place) await page.getByRole("button", { name: "1 min", exact: true }).click();
      return [name, page];
    }),
  );
}

async function shoot(pages, scene) {
  await pause(2_500);
  for (const [name, page] of pages) {
    await page.screenshot({ path: `${FOLDER}${scene}-${name}.png`, fullPage: true });
    if (page.faults.length > 0) console.log(`${scene} ${name}:`, page.faults);
  }
}

/** What fits on a screen, for the README. */
async function crop(page, name) {
  const charts = await page.locator(".charts").boundingBox();
  await page.screenshot({
    path: `${FOLDER}${name}.png`,
    fullPage: true,
    clip: { x: 0, y: 0, width: charts.x * 2 + charts.width, height: charts.y + charts.height + 12 },
  });
}

async function done(pages, stage) {
  await Promise.all(pages.map(([, page]) => page.context().close()));
  await stage.close();
}

async function release(stage, canary) {
  await fetch(`http://127.0.0.1:${stage.adminPort}/v1/rollouts/shop/canary`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${stage.token}`, "Content-Type": "application/json" },
    body: JSON.stringify(canary),
  });
}

/** A picture needs a past to show; nothing is tested here. */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
