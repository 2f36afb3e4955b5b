/** A cluster's control groups, `/lk<number>`: the kubelet's pods and our own daemons. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ClusterPlan } from "./plan.ts";

const MOUNT = "/sys/fs/cgroup";

export function isCgroupV2(): boolean {
  return existsSync(join(MOUNT, "cgroup.controllers"));
}

/** Mount points of the hierarchies: one with version 2, one a controller with version 1. */
function hierarchies(): string[] {
  if (isCgroupV2()) return [MOUNT];
  return readdirSync(MOUNT, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => join(MOUNT, entry.name));
}

/** The hierarchy that says which processes are the cluster's; runc puts pods into it, too. */
function processHierarchy(): string {
  return isCgroupV2() ? MOUNT : join(MOUNT, "pids");
}

export function daemonsCgroup(plan: ClusterPlan): string {
  return join(processHierarchy(), plan.id, "daemons");
}

export function makeCgroups(plan: ClusterPlan): void {
  for (const hierarchy of hierarchies()) {
    const group = join(hierarchy, plan.id);
    mkdirSync(group, { recursive: true });
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      // A new cpuset of version 1 is empty, and takes no process until it is filled.
      if (hierarchy.endsWith("/cpuset") && existsSync(join(group, file)))
        writeFileSync(join(group, file), readFileSync(join(hierarchy, file)));
    }
  }
  mkdirSync(daemonsCgroup(plan), { recursive: true });
}

/** Every process in the cluster's groups. */
export function cgroupProcesses(plan: ClusterPlan): number[] {
  return groupsOf(processHierarchy(), plan).flatMap(group => {
    try {
      const lines = readFileSync(join(group, "cgroup.procs"), "utf8").split("\n");
      return lines.filter(line => line !== "").map(Number);
    } catch {
      return [];
    }
  });
}

/** Removes the groups; those that still hold a process stay, and are named. */
export function removeCgroups(plan: ClusterPlan): string[] {
  const left: string[] = [];
  for (const hierarchy of hierarchies()) {
    for (const group of groupsOf(hierarchy, plan)) {
      try {
        rmdirSync(group);
      } catch {
        if (existsSync(group)) left.push(group);
      }
    }
  }
  return left;
}

/** Innermost first. */
function groupsOf(hierarchy: string, plan: ClusterPlan): string[] {
  const groups: string[] = [];
  const visit = (group: string): void => {
    for (const name of subgroups(group)) visit(join(group, name));
    groups.push(group);
  };
  const top = join(hierarchy, plan.id);
  if (existsSync(top)) visit(top);
  return groups;
}

/** A group may vanish at any moment: the kubelet and runc remove those of pods that end. */
function subgroups(group: string): string[] {
  try {
    const entries = readdirSync(group, { withFileTypes: true });
    return entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
  } catch {
    return [];
  }
}
