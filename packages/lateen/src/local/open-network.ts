import { randomBytes } from "node:crypto";
import type { Result } from "../base/diagnostic.ts";
import type { Log } from "../base/log.ts";
import { createNodeNetwork, type NodeNetwork, type RangeChoice } from "./node-network.ts";
import { ProcessRecord, recordPath } from "./process-record.ts";
import { endEverything, reap } from "./reap.ts";
import { localRequirements } from "./system-packages.ts";

export interface LocalNetwork {
  readonly record: ProcessRecord;
  readonly node: NodeNetwork;
  /** Address of the host that pods reach: where the control plane has to listen. */
  readonly hostAddress: string;
  /** Ends every process of the mesh and takes its network away. */
  close(): Promise<void>;
}

/**
 * The first step of a local mesh: ends what an earlier run in the same state folder has left, and
 * makes a network. Fails with what to do where something is missing, or where a mesh is running.
 * Rejects where the machine does not let it, such as with a full disk; nothing is left then, either.
 */
export async function openLocalNetwork(
  stateDir: string,
  log: Log,
  range?: RangeChoice,
): Promise<Result<LocalNetwork>> {
  const problems = localRequirements();
  if (problems.length > 0)
    return {
      ok: false,
      diagnostics: problems.map(message => ({
        severity: "error",
        path: "",
        message,
        reason: "NotPossibleHere",
      })),
    };
  const reaped = await reap(recordPath(stateDir), log);
  if (!reaped.ok) return reaped;
  const record = new ProcessRecord(recordPath(stateDir), randomBytes(16).toString("hex"));
  const close = async (): Promise<void> => {
    record.close();
    const ended = await endEverything(record.content);
    if (ended.ok) record.remove();
    else log.error("processes are left", { why: ended.diagnostics[0]?.message });
  };
  const network = await createNodeNetwork(record, log, range).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  if (!network.ok) {
    await close();
    return network;
  }
  const node = network.value;
  const value = { record, node, hostAddress: node.plan.hostAddress, close };
  return { ok: true, value, diagnostics: [] };
}
