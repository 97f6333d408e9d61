// Chromium, and pages that write down whatever should not happen on them.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 390, height: 844 };

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

/**
 * A page in a context of its own. `page.faults` holds errors of scripts and of the console, and refused loads;
 * `page.requests` every address that was asked for.
 */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.requests = [];
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => page.requests.push(request.url()));
  await page.addInitScript(() => {
    globalThis.violations = [];
    globalThis.shifts = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (!entry.hadRecentInput)
          globalThis.shifts.push([entry.value, ...entry.sources.map(({ node }) => node?.className || node?.nodeName)]);
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(url);
  return page;
}

/** What axe finds against the page as it is now, in words. */
export async function axe(page) {
  // Not by a script element: the page's policy would refuse it.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .map(({ html, failureSummary }) => `${html} (${failureSummary})`)
        .slice(0, 3)
        .join("; ")}`,
  );
}
