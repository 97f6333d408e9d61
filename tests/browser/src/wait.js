// Waits for a thing, with a deadline, and never for a time.

const DEADLINE_MS = 20_000;
const PAUSE_MS = 40;

/** Until `look` gives something true; an error of it means "not yet". */
export async function until(what, look) {
  const end = Date.now() + DEADLINE_MS;
  let last;
  while (Date.now() < end) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`in vain: ${what}; last seen: ${last}`);
}
