// Which addresses serve each arm and whether they are well, and what the shield did.

import { card, el, rebuild, setText } from "../dom.js";
import { count, counted } from "../numbers.js";

/** Addresses listed one by one; beyond that they are counted, the sick ones first. */
const LISTED = 8;

export function arms() {
  const lists = el("div", { className: "endpoints" });
  const shield = el("p", { className: "shield" });
  const element = card("Endpoints and shield", "arms", lists, shield);
  return {
    element,
    update(status) {
      const shown = ["stable", "canary"].filter((role) => status[role]).map((role) => [role, status[role]]);
      rebuild(lists, JSON.stringify(shown.map(([role, arm]) => [role, arm.version, arm.endpoints])), () =>
        shown.map(([role, arm]) => one(role, arm)),
      );
      setText(shield, shieldWords(status.shield));
    },
  };
}

function one(role, arm) {
  const sorted = arm.endpoints.toSorted((a, b) => Number(a.healthy) - Number(b.healthy));
  const rest = sorted.length - LISTED;
  const items = sorted.slice(0, LISTED).map(endpoint);
  if (items.length === 0) items.push(el("li", { textContent: "✖ none", data: { tone: "bad" } }));
  if (rest > 0) items.push(el("li", { className: "hint", textContent: `and ${count(rest)} more` }));
  return el(
    "div",
    {},
    el(
      "h3",
      { className: `of-${role}` },
      el("span", { className: "role", textContent: role }),
      " ",
      el("span", { className: "version", textContent: arm.version }),
    ),
    el("ul", {}, ...items),
  );
}

function endpoint({ address, healthy, reason }) {
  const words = healthy ? `● ${address}` : `✖ ${address}: ${reason ?? "not healthy"}`;
  return el(
    "li",
    { data: { tone: healthy ? "good" : "bad" } },
    words,
    healthy ? el("span", { className: "unseen", textContent: " healthy" }) : null,
  );
}

function shieldWords({ answered, failed, overBudget }) {
  if (answered + failed + overBudget === 0) return "Shield: nothing to do in this generation.";
  const rest = [
    failed && `${count(failed)} failed there as well`,
    overBudget && `${count(overBudget)} not tried, the retry budget was used up`,
  ].filter(Boolean);
  return `Shield: ${counted(answered, "failed canary request")} answered by stable${rest.map((text) => `, ${text}`).join("")}.`;
}
