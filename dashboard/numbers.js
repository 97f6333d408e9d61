// Numbers as people read them; the same rules as the command line has. None of them flatters.

export const UNKNOWN = "–";
const NARROW_SPACE = "\u202f";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const twoDecimals = new Intl.NumberFormat("en", { maximumFractionDigits: 2, useGrouping: false });

export const count = (number) => grouped.format(number);

/** `1 request`, `1,204 requests`. */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** `10 %`, `2.5 %`. */
export const percent = (number) => `${twoDecimals.format(number)}${NARROW_SPACE}%`;

/** A share from 0 to 1, rounded down: only a flawless arm has 100 %. */
export function success(rate) {
  if (rate === null || rate === undefined) return UNKNOWN;
  return percent(Math.floor(rate * 10_000 + 1e-6) / 100);
}

/** `4.2 ms`, `41 ms`, `1.24 s`. */
export function latency(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (ms < 9.95) return `${ms.toFixed(1).replace(/\.0$/, "")}${NARROW_SPACE}ms`;
  if (ms < 999.5) return `${ms.toFixed(0)}${NARROW_SPACE}ms`;
  return `${(ms / 1000).toFixed(2)}${NARROW_SPACE}s`;
}

export const perSecond = (rate) => (rate < 99.95 ? rate.toFixed(1) : count(Math.round(rate)));

/** A score in nats, with a true minus sign. */
export function score(number) {
  const text = Math.abs(number).toFixed(1);
  return number < 0 && text !== "0.0" ? `−${text}` : text;
}

/** `45s`, `2m 10s`, `1h 5m`, `3d 4h`. */
export function duration(seconds) {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const two = (large, unit, small, smallUnit) => (small ? `${large}${unit} ${small}${smallUnit}` : `${large}${unit}`);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return two(Math.floor(whole / 60), "m", whole % 60, "s");
  if (whole < 86_400) return two(Math.floor(whole / 3600), "h", Math.floor(whole / 60) % 60, "m");
  return two(Math.floor(whole / 86_400), "d", Math.floor(whole / 3600) % 24, "h");
}

const two = (number) => String(number).padStart(2, "0");

/** `12:03:22`, in the time of whoever looks. */
export function clock(ms) {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `12:03:22` today, `2026-03-21 12:03` otherwise. */
export function moment(ms) {
  const date = new Date(ms);
  if (date.toDateString() === new Date().toDateString()) return clock(ms);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
