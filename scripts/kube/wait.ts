import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../packages/lateen/src/local/proc.ts";
import { type Daemon, lastLines } from "./daemons.ts";
import type { ClusterPlan } from "./plan.ts";

const POLL_MS = 100;

/** Until `probe` says so; throws when it does not in time, or when a daemon has ended meanwhile. */
export async function waitFor(
  plan: ClusterPlan,
  what: string,
  timeoutMs: number,
  on: readonly Daemon[],
  probe: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (performance.now() < end) {
    if (await probe()) return;
    const ended = on.find(daemon => !isAlive(daemon));
    if (ended !== undefined)
      throw new Error(`${ended.name} has ended:\n${lastLines(plan, ended.name)}`);
    await sleep(POLL_MS);
  }
  const logs = on.map(({ name }) => `${name}:\n${lastLines(plan, name)}`).join("\n");
  throw new Error(`${what}: not within ${timeoutMs / 1000} seconds\n${logs}`);
}
