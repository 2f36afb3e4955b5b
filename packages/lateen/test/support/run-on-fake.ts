/** Commands of `lateen` against a faked API server, their words as in a shell without quotes. */
import assert from "node:assert/strict";
import type { Command } from "../../src/cli/command.ts";
import type { FakeCluster } from "./fake-cluster.ts";
import type { Ran } from "./kube-cluster.ts";
import { runCommand } from "./run-command.ts";

export function run(cluster: FakeCluster, command: Command, line = ""): Promise<Ran> {
  const words = line.split(" ").filter(word => word !== "");
  return runCommand(command, [...words, "--kubeconfig", cluster.kubeconfig]);
}

/** The same, for one that must succeed. */
export async function mustRun(cluster: FakeCluster, command: Command, line: string): Promise<Ran> {
  const ran = await run(cluster, command, line);
  assert.equal(ran.code, 0, `${command.name} ${line}\n${ran.stdout}\n${ran.stderr}`);
  return ran;
}

/** What it prints. */
export async function must(cluster: FakeCluster, command: Command, line: string): Promise<string> {
  return (await mustRun(cluster, command, line)).stdout;
}
