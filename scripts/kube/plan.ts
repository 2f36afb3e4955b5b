import { join } from "node:path";

/**
 * `node`: a whole cluster with one real node, in namespaces of its own. `control-plane`: etcd, API
 * server, controller manager and scheduler on loopback; nothing runs pods.
 */
export type ClusterMode = "node" | "control-plane";

export interface Ports {
  readonly api: number;
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly controllerManager: number;
  readonly scheduler: number;
}

/** What a cluster is called and where everything of it lies; follows from name, number and mode. */
export interface ClusterPlan {
  readonly name: string;
  /** Tells clusters of one machine apart: addresses, links and cgroups follow from it. */
  readonly number: number;
  readonly mode: ClusterMode;
  /** Name of its link on the host, its cgroup and its sockets' folder. */
  readonly id: string;
  /** Everything that it writes. */
  readonly directory: string;
  readonly nodeName: string;
  /** Address of the API server; with a node that of the node. */
  readonly address: string;
  readonly ports: Ports;
  /** Of the whole cluster. IPv4 first, then IPv6 in a dual-stack cluster; so the two below. */
  readonly podRanges: readonly string[];
  /** The node's part of them. */
  readonly nodePodRanges: readonly string[];
  readonly serviceRanges: readonly string[];
  /** The node answers for these addresses; a Service's status has to name one. */
  readonly loadBalancerRange: string;
  readonly dnsAddress: string;
}

export const BRIDGE = "lateen-kube";
/** The machine itself, as the clusters' nodes and pods see it. */
export const BRIDGE_ADDRESS = "10.210.0.1";
export const BRIDGE_ADDRESS_V6 = "fd00:210::1";
export const MAX_CLUSTERS = 9;

const NODE_PORTS: Ports = {
  api: 6443,
  etcd: 2379,
  etcdPeer: 2380,
  controllerManager: 10257,
  scheduler: 10259,
};

export interface PlanOptions {
  readonly name: string;
  readonly number: number;
  readonly mode: ClusterMode;
  /** Folder with all clusters' folders. */
  readonly root: string;
  /** For a control plane alone: free ones of loopback. */
  readonly ports?: Ports;
  readonly dualStack?: boolean;
}

export function planCluster(options: PlanOptions): ClusterPlan {
  const { name, number, mode } = options;
  const withNode = mode === "node";
  const also = (range: string): string[] => (options.dualStack === true ? [range] : []);
  return {
    name,
    number,
    mode,
    id: `lk${number}`,
    directory: join(options.root, "clusters", name),
    nodeName: `node-${number}`,
    address: withNode ? `10.210.0.${10 + number}` : "127.0.0.1",
    ports: options.ports ?? NODE_PORTS,
    podRanges: [`10.21${number}.0.0/16`, ...also(`fd00:21${number}::/56`)],
    nodePodRanges: [`10.21${number}.0.0/24`, ...also(`fd00:21${number}::/64`)],
    serviceRanges: [`10.22${number}.0.0/16`, ...also(`fd00:22${number}::/112`)],
    loadBalancerRange: `10.23${number}.0.0/24`,
    dnsAddress: `10.22${number}.0.10`,
  };
}

/** The first address of the first service range: the Service `kubernetes`. */
export function apiServiceAddress(plan: ClusterPlan): string {
  return `10.22${plan.number}.0.1`;
}

export function nodeAddressV6(number: number): string {
  return `fd00:210::${10 + number}`;
}

export function isDualStack(plan: ClusterPlan): boolean {
  return plan.podRanges.length > 1;
}

export interface ClusterPaths {
  readonly pki: string;
  readonly conf: string;
  readonly log: string;
  readonly etcd: string;
  /** What the node has at /var/lib/kubelet, /etc/cni/net.d and so on. */
  readonly root: string;
  readonly record: string;
  readonly kubeconfig: string;
}

export function pathsOf(plan: ClusterPlan): ClusterPaths {
  const at = (...parts: string[]): string => join(plan.directory, ...parts);
  return {
    pki: at("pki"),
    conf: at("conf"),
    log: at("log"),
    etcd: at("etcd"),
    root: at("root"),
    record: at("processes.jsonl"),
    kubeconfig: at("kubeconfig"),
  };
}
