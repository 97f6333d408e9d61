// Server-sent events over `fetch`: the browser's own EventSource can't send the token, and hides why it failed.

import { send, Failure } from "./api.js";

/** The server says something every second; silence for so long means that it is gone. */
const SILENCE_MS = 4_000;

/**
 * Calls `take(kind, value)` for each event until `signal` is aborted. Ends with a `Failure` in every other case, also
 * when the server closes: a stream of events has no end of its own.
 */
export async function listen(path, signal, take) {
  const silence = new AbortController();
  const either = AbortSignal.any([signal, silence.signal]);
  let alarm = 0;
  const heard = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    heard();
    const response = await send(path, { signal: either, headers: { Accept: "text/event-stream" } });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(take);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      heard();
      parse(value);
    }
  } catch (error) {
    if (signal.aborted || error instanceof Failure) throw error;
    throw new Failure("unreachable", silence.signal.aborted ? "the proxy is silent" : "the connection broke");
  } finally {
    clearTimeout(alarm);
  }
  throw new Failure("unreachable", "the proxy closed the connection");
}

/** Takes pieces of a stream as they come and gives the whole events in them to `take`. */
export function parser(take) {
  let rest = "";
  return (piece) => {
    rest += piece;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const block = rest.slice(0, end);
      rest = rest.slice(end + 2);
      const field = (name) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trimStart());
      const data = field("data").join("\n");
      if (data) take(field("event")[0] ?? "message", JSON.parse(data));
    }
  };
}
