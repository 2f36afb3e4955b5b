import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "../api/pod/schema.ts";
import { PROXY_UID } from "../proxy/ports.ts";
import { type DiscoveryTls, discoverySdsFiles } from "../proxy/xds-cluster.ts";
import type { NetworkPlan } from "./network-plan.ts";
import { makeDirectoryInside, writeInside } from "./write-inside.ts";

/** Paths inside a pod. /run is in memory: applications have one, and the proxy another. */
export const PodPath = {
  envoy: "/run/lateen/envoy",
  /** First in PATH; ours, also for users that may not enter the folder where it is installed. */
  programs: "/run/lateen/bin",
  rootCert: "/run/secrets/istio/root-cert.pem",
  proxyToken: "/run/secrets/tokens/istio-token",
  sds: "/run/secrets/lateen",
} as const;

/** How a pod's Envoy finds what it needs to talk to the control plane. */
export function podDiscoveryTls(serverName: string): DiscoveryTls {
  return {
    serverName,
    sdsDirectory: PodPath.sds,
    rootCertFile: PodPath.rootCert,
    tokenFile: PodPath.proxyToken,
  };
}

type HostAlias = NonNullable<Pod["spec"]["hostAliases"]>[number];

export interface NamingOptions {
  readonly namespace: string;
  readonly hostname: string;
  readonly address: string;
  /** e.g. `cluster.local`. */
  readonly domain: string;
  readonly plan: NetworkPlan;
  readonly hostAliases: readonly HostAlias[];
}

/** Writes into the /run of a sandbox, from outside. */
export class PodFiles {
  readonly #root: string;

  constructor(sandboxPid: number) {
    this.#root = `/proc/${sandboxPid}/root`;
  }

  /** Replaces a file in one step. Throws where the pod has put something in the way. */
  write(path: string, content: string, owner: "everyone" | "proxy" = "everyone"): void {
    const access = owner === "everyone" ? { mode: 0o644 } : { mode: 0o640, gid: PROXY_UID };
    writeInside(this.#root, path, content, access);
  }

  makeDirectory(path: string): void {
    makeDirectoryInside(this.#root, path);
  }

  /** What the proxy needs to reach the control plane with, but for what PodSecrets writes. */
  prepareProxy(serverName: string): void {
    for (const [name, content] of Object.entries(discoverySdsFiles(podDiscoveryTls(serverName))))
      this.write(join(PodPath.sds, name), content);
  }

  /** Something to mount our programs at. */
  preparePrograms(programs: Readonly<Record<string, string>>): void {
    for (const target of Object.keys(programs)) this.write(target, "");
  }

  /** The files that never change, and which are to be mounted over the host's: target -> source. */
  prepareNaming(naming: NamingOptions): Record<string, string> {
    const mounts: Record<string, string> = {};
    for (const [target, content] of Object.entries(namingFiles(naming))) {
      const real = existsSync(target) ? realpathSync(target) : undefined;
      if (real?.startsWith("/run/") === true) {
        // The host's file is a link into /run, which is hidden here: put ours where it leads.
        this.write(real, content);
      } else if (real !== undefined) {
        const source = join("/run/lateen", target);
        this.write(source, content);
        mounts[real] = source;
      }
    }
    return mounts;
  }
}

function namingFiles(naming: NamingOptions): Readonly<Record<string, string>> {
  const { namespace, domain, hostname, address, plan } = naming;
  const aliases = naming.hostAliases.map(
    ({ ip, hostnames = [] }) => `${ip}\t${hostnames.join(" ")}\n`,
  );
  return {
    "/etc/hosts":
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
      `${address}\t${hostname}\n${aliases.join("")}`,
    "/etc/hostname": `${hostname}\n`,
    "/etc/resolv.conf":
      `search ${namespace}.svc.${domain} svc.${domain} ${domain}\n` +
      `nameserver ${plan.dnsAddress}\noptions ndots:5\n`,
  };
}
