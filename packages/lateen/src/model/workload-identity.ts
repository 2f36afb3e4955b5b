/** What labels and owners say about a workload: its name, its canonical service, its TLS mode. */
import { ownerOf } from "../api/pod/owner.ts";
import type { Pod } from "../api/pod/schema.ts";
import type { Endpoint } from "./types.ts";

type Labels = Readonly<Record<string, string>>;

const WORKLOAD_NAME = "service.istio.io/workload-name";
const TLS_MODE = "security.istio.io/tlsMode";

/** Istio, "Canonical Service": the first of these labels names it, else the workload's name. */
const CANONICAL_NAME = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
const CANONICAL_REVISION = [
  "service.istio.io/canonical-revision",
  "app.kubernetes.io/version",
  "version",
];

export function canonicalName(labels: Labels, workloadName: string): string {
  return firstOf(labels, CANONICAL_NAME) ?? workloadName;
}

/** "" when nobody says; what "nobody says" means differs between kinds of workloads. */
export function canonicalRevision(labels: Labels): string {
  return firstOf(labels, CANONICAL_REVISION) ?? "";
}

/** The Deployment (or other owner) of a pod; the pod itself when nothing owns it. */
export function podWorkloadName(pod: Pod): string {
  const labelled = pod.metadata.labels[WORKLOAD_NAME];
  if (labelled !== undefined && labelled !== "") return labelled;
  return ownerOf(pod)?.name ?? pod.metadata.name;
}

/** A pod speaks the mesh's TLS when it says so by label, as the injector makes sidecars' pods do. */
export function podTlsMode(pod: Pod): Endpoint["tlsMode"] {
  return labelledTlsMode(pod.metadata.labels) ?? "disabled";
}

export function labelledTlsMode(labels: Labels): Endpoint["tlsMode"] | undefined {
  const mode = labels[TLS_MODE];
  if (mode === undefined) return undefined;
  return mode === "istio" ? "istio" : "disabled";
}

function firstOf(labels: Labels, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = labels[key];
    if (value !== undefined && value !== "") return value;
  }
  return undefined;
}
