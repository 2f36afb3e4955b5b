/** Bugs of ours in the derivation: what they concern stays as it was, so somebody has to be told. */
import type { Log } from "../base/log.ts";
import type { Graph } from "../flow/types.ts";

/** Different ones that are told; a bug in what all services need would else be told for each. */
const TOLD_MAX = 100;

/** Each once: a row that fails is tried again whenever something that it read changes. */
export function logFailures(graph: Graph, log: Log): void {
  const told = new Set<string>();
  graph.onFailure(({ collection, key, error }) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const id = JSON.stringify([collection, key, text]);
    if (told.has(id) || told.size > TOLD_MAX) return;
    told.add(id);
    if (told.size > TOLD_MAX) log.error("more configuration could not be derived");
    else log.error("configuration could not be derived", { collection, key, error: text });
  });
}
