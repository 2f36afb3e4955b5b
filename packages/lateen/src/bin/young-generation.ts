/** How V8 collects what dies young: see docs/decisions/young-generation.md. */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const MB = 1024 * 1024;
/** Of each of its two halves. */
const HALF_BYTES = 4 * MB;
/** What must live for it to grow is a quarter of this; more is never taken. */
const FILL_MAX_BYTES = 16 * MB;
const FILL_BYTES = 8 * 1024;

/**
 * Lets the young generation grow to 4 MB a half at once, and no further. V8 reads its size before any
 * program runs, but how much it grows by each time it grows.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--semi-space-growth-factor=4");
  // It grows when more has outlived a collection than fits into it. What pages say of themselves takes a
  // little of their room, so that it is never quite the round number.
  const filling: unknown[] = [];
  while (halfBytes() < HALF_BYTES / 2 && filling.length * FILL_BYTES < FILL_MAX_BYTES)
    filling.push(new Array(FILL_BYTES / 8).fill(0));
  setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * What one half has room for. Not what is taken of the system: a half that is not in use may be given
 * back, so that this tells nothing of how much it has grown.
 */
export function halfBytes(): number {
  const found = getHeapSpaceStatistics().find(each => each.space_name === "new_space");
  return (found?.space_used_size ?? 0) + (found?.space_available_size ?? 0);
}
