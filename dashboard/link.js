// Whether what is shown is true now. Every answer of the proxy is heard here; when none comes the page says so, says
// since when, and loses its colours, so that nobody takes an old picture for the present.

import { el, rebuild, setAttribute, setText } from "./dom.js";
import { clock, duration } from "./numbers.js";

/** The server says something every second, or is asked every two. */
const STALE_AFTER_MS = 4_500;

const strip = document.getElementById("strip");
const state = document.getElementById("strip-state");
const more = document.getElementById("strip-more");
const serverText = document.getElementById("strip-server");
const notices = document.getElementById("notices");

let heardAt = 0;
let why = "";

/** The proxy has just answered. */
export function heard() {
  heardAt = Date.now();
  why = "";
  show();
}

/** The proxy did not answer. */
export function lost(reason) {
  why = reason;
  show();
}

/** It is there, but shows nothing without the token. */
export function locked() {
  heardAt = 0;
  why = "";
  put("locked", "⚿ the proxy shows nothing without the token", "");
}

/** What the proxy says of itself. */
export function server(status) {
  setText(
    serverText,
    `Sluice ${status.version} · up ${duration(status.uptimeSeconds)} · configuration ${duration(status.configAgeSeconds)} old`,
  );
  const troubles = [
    status.configError &&
      `The newest configuration was refused, the one before it stays in force: ${status.configError}`,
    status.stateError && `Decisions can't be stored, so nothing advances: ${status.stateError}`,
  ].filter(Boolean);
  rebuild(notices, troubles.join("\n"), () => troubles.map((text) => el("p", { textContent: `▲ ${text}` })));
}

setInterval(show, 1_000);

function show() {
  if (strip.dataset.state === "locked" && !heardAt && !why) return;
  const isStale = why || Date.now() - heardAt > STALE_AFTER_MS;
  if (!isStale) return put("live", "● Live", `as of ${clock(heardAt)}`);
  if (!heardAt) return why ? put("stale", `▲ No answer: ${why}`, "asked again every second") : undefined;
  put(
    "stale",
    `▲ Out of date since ${clock(heardAt)}: ${why || "the proxy is silent"}`,
    `${duration((Date.now() - heardAt) / 1000)} old; the proxy is asked again every second`,
  );
}

function put(name, sentence, rest) {
  setAttribute(strip, "data-state", name);
  setAttribute(document.body, "data-link", name);
  setText(state, sentence);
  setText(more, rest);
}
