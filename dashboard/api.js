// Asks the admin API, always below the address of this page, and says in words what went wrong.

import * as token from "./token.js";

const ANSWER_WITHIN_MS = 8_000;

/** Why there is no answer. `kind` is `unreachable`, `unauthorized`, `notFound`, `conflict` or `refused`. */
export class Failure extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const rollout = (name, rest) => `v1/rollouts/${encodeURIComponent(name)}${rest}`;

export const list = () => read("v1/rollouts?brief=true");
export const history = (name) => read(rollout(name, "/history"));
export const series = (name, after) => read(rollout(name, `/series?after=${after}`));
export const eventsPath = (name) => rollout(name, "/events?recent=200&brief=true");

/** Asks whether the token is right, and remembers the answer. */
export async function checkToken() {
  if (!token.get()) return;
  try {
    await read("v1/access");
    token.found(true);
  } catch (failure) {
    // A proxy that can't be asked says nothing about the token.
    if (failure.kind === "unauthorized") token.found(false);
    else if (failure.kind === "notFound") token.found(true);
  }
}

/** A command on the generation that whoever commands has looked at. */
export async function command(name, verb, body) {
  const response = await send(rollout(name, `/${verb}`), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  token.found(true);
  return response.json();
}

/** An answer that is 2xx, or a `Failure`. `signal` ends the wait for it and for its body. */
export async function send(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let response;
  try {
    const signal = options.signal ?? AbortSignal.timeout(ANSWER_WITHIN_MS);
    response = await fetch(path, {
      ...options,
      headers,
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(
      "unreachable",
      error.name === "TimeoutError" ? "no answer within 8 s" : "the proxy can't be reached",
    );
  }
  if (response.ok) return response;
  throw await refusal(response);
}

async function read(path) {
  const response = await send(path);
  try {
    return await response.json();
  } catch {
    throw new Failure("unreachable", "the answer broke off");
  }
}

async function refusal(response) {
  const words = await response.json().then(
    (body) => body.error.message,
    () => `HTTP ${response.status}`,
  );
  if (response.status === 401) {
    token.found(false);
    return new Failure("unauthorized", words);
  }
  const kinds = { 404: "notFound", 409: "conflict" };
  return new Failure(kinds[response.status] ?? "refused", words);
}
