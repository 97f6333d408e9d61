// Starts the page: takes the token out of the address, shows the place that the address names, and lets go of the
// proxy while nobody looks.

import * as api from "./api.js";
import { detail } from "./detail.js";
import { el, rebuild } from "./dom.js";
import * as strip from "./link.js";
import { list } from "./list.js";
import { access, locked } from "./parts/token.js";
import * as token from "./token.js";

/** A page that was out of sight for so long lets go of its connections. */
const HIDDEN_MS = 10_000;

const main = document.getElementById("main");
const crumbs = document.getElementById("crumbs");

let view = null;
let isLocked = false;
let isLost = false;
let isPaused = false;

/** What views tell of their luck with the proxy. */
const link = {
  heard() {
    isLost = false;
    strip.heard();
  },
  server: strip.server,
  isLost: () => isLost,
  failed(failure) {
    isLost = true;
    if (failure.kind === "unauthorized") lock();
    else strip.lost(failure.message);
  },
};

token.takeFromAddress();
document.getElementById("access").append(access());
token.onChange((state) => {
  if (state === "right" && isLocked) show();
});
addEventListener("hashchange", () => {
  if (token.takeFromAddress()) api.checkToken();
  show();
});
let hidden = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(pause, HIDDEN_MS);
  else resume();
});
api.checkToken();
show();

/** Shows what the address names. */
function show() {
  const found = /^#\/rollout\/(.+)$/.exec(location.hash);
  const next = found ? detail(decode(found[1]), link) : list(link);
  view?.close(true);
  view = next;
  isLocked = false;
  main.replaceChildren(view.element);
  document.title = found ? `${view.title} – Sluice` : "Sluice";
  rebuild(crumbs, view.title, () =>
    [
      el("li", {}, found ? el("a", { href: "#/", textContent: "Rollouts" }) : null),
      found ? el("li", { "aria-current": "page", textContent: view.title }) : null,
    ].filter((item) => item?.hasChildNodes()),
  );
  isPaused = false;
  view.open();
}

function pause() {
  isPaused = true;
  view.close(false);
}

function resume() {
  if (isPaused) view.open();
  isPaused = false;
}

function lock() {
  if (isLocked) return;
  isLocked = true;
  strip.locked();
  view.close(false);
  main.replaceChildren(locked());
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
