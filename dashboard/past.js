// The last 15 minutes of one rollout, second by second, as the proxy keeps them, and what they say about the last
// half minute. What a restart of the proxy makes it forget, the page still remembers.

const KEPT_MS = 15 * 60_000;
const RECENT_MS = 30_000;
/** A longer silence between two samples is a gap in the lines. */
const GAP_MS = 3_500;
/** Requests are summed over so many samples for a rate of success: one request of two that fails is no 50 %. */
const SUCCESS_SAMPLES = 10;

export class Past {
  constructor() {
    this.samples = [];
  }

  /** When the last sample was taken, Unix milliseconds. */
  get newest() {
    return this.samples.at(-1)?.atMs ?? 0;
  }

  add(samples) {
    const newest = this.newest;
    const news = samples.filter((sample) => sample.atMs > newest);
    this.samples.push(...news);
    const oldest = this.newest - KEPT_MS;
    const first = this.samples.findIndex((sample) => sample.atMs >= oldest);
    if (first > 0) this.samples.splice(0, first);
    return news.length > 0;
  }

  /** What an arm did in the last half minute; quantiles are those of a typical second in it. */
  recent(arm, generation) {
    const from = this.newest - RECENT_MS;
    const samples = this.samples.filter(
      (sample) => sample.atMs > from && sample[arm] && sample.generation === generation,
    );
    const requests = sum(samples, (sample) => sample[arm].requests);
    const failures = sum(samples, (sample) => sample[arm].failures);
    const typical = (field) => median(samples.map((sample) => sample[arm][field]).filter((ms) => ms !== null));
    return {
      requests,
      failures,
      seconds: samples.length,
      success: requests > 0 ? 1 - failures / requests : null,
      p50Ms: typical("p50Ms"),
      p95Ms: typical("p95Ms"),
      p99Ms: typical("p99Ms"),
    };
  }

  /**
   * Columns for a chart: seconds since 1970, then one column for each of `lines` (functions of a sample and its place).
   * An unknown value is `undefined`, which a line passes over; a lost minute is `null`, which breaks it.
   */
  columns(lines, lastMs) {
    const from = this.newest - lastMs;
    const columns = [[], ...lines.map(() => [])];
    const push = (atMs, value) => {
      columns[0].push(atMs / 1000);
      lines.forEach((line, i) => columns[i + 1].push(value(line)));
    };
    this.samples.forEach((sample, at) => {
      if (sample.atMs < from) return;
      const before = this.samples[at - 1];
      if (before && sample.atMs - before.atMs > GAP_MS && before.atMs >= from) push(before.atMs + 1, () => null);
      push(sample.atMs, (line) => line(sample, at, this.samples) ?? undefined);
    });
    return columns;
  }
}

/** Success of an arm over the last samples, percent. */
export const successOf = (arm) => (sample, at, samples) => {
  let [requests, failures] = [0, 0];
  for (let i = at; i >= 0 && i > at - SUCCESS_SAMPLES; i--) {
    const other = samples[i];
    if (other.generation !== sample.generation || !other[arm]) break;
    requests += other[arm].requests;
    failures += other[arm].failures;
  }
  return requests > 0 ? (1 - failures / requests) * 100 : undefined;
};

function sum(list, of) {
  return list.reduce((total, item) => total + of(item), 0);
}

function median(numbers) {
  if (numbers.length === 0) return null;
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
