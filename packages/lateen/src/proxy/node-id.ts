import type { Result } from "../base/diagnostic.ts";

/** Istio's node types: the first part of a node id. */
export type NodeType = "sidecar" | "router";

export interface NodeId {
  readonly type: NodeType;
  readonly ip: string;
  readonly pod: string;
  readonly namespace: string;
  readonly domain: string;
}

const MAX_LENGTH = 1024;

/** `sidecar~10.0.0.1~sleep-0.default~default.svc.cluster.local` (Istio: model.Proxy.ServiceNode). */
export function formatNodeId(id: NodeId): string {
  const domain = `${id.namespace}.svc.${id.domain}`;
  return `${id.type}~${id.ip}~${id.pod}.${id.namespace}~${domain}`;
}

/** Reads what formatNodeId writes; pod names hold no dot-separated namespace but the last part. */
export function parseNodeId(text: string): Result<NodeId> {
  if (text.length > MAX_LENGTH) return broken(`${text.slice(0, 40)}...`, "is too long");
  const parts = text.split("~");
  const [type, ip, workload, domain] = parts;
  if (parts.length !== 4 || ip === undefined || workload === undefined || domain === undefined)
    return broken(text, "should be type~ip~pod.namespace~namespace.svc.domain");
  if (type !== "sidecar" && type !== "router")
    return broken(text, `has the type ${type}; expected sidecar or router`);
  const dot = workload.lastIndexOf(".");
  if (dot <= 0 || dot === workload.length - 1)
    return broken(text, `names the pod ${workload}; expected pod.namespace`);
  const namespace = workload.slice(dot + 1);
  const prefix = `${namespace}.svc.`;
  if (!domain.startsWith(prefix) || domain.length === prefix.length)
    return broken(text, `has the domain ${domain}; expected ${prefix}<domain>`);
  const pod = workload.slice(0, dot);
  const value: NodeId = { type, ip, pod, namespace, domain: domain.slice(prefix.length) };
  return { ok: true, value, diagnostics: [] };
}

function broken(id: string, message: string): Result<NodeId> {
  const text = `node id ${JSON.stringify(id)} ${message}`;
  return {
    ok: false,
    diagnostics: [{ severity: "error", path: "node.id", message: text, reason: "BadNodeId" }],
  };
}
