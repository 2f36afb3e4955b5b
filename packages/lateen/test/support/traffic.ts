/** What tests with traffic through real proxies need around them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Server } from "node:net";
import { Value } from "@lateen/envoy-api/google/protobuf/struct.js";
import { ProxyEnvironment } from "../../src/base/proxy-environment.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { type EnvoyProcess, eventually } from "./envoy-process.ts";

/** The environment of a proxy, as whoever starts it sets it. */
export function environment(
  name: string,
  namespace: string,
  told: { readonly NAMESPACE?: string } = { NAMESPACE: namespace },
): Record<string, string> {
  const labels = {
    app: name,
    version: "v1",
    "service.istio.io/canonical-name": name,
    "service.istio.io/canonical-revision": "v1",
  };
  const peer = {
    ...told,
    WORKLOAD_NAME: `${name}-v1`,
    CLUSTER_ID: "Kubernetes",
    LABELS: labels,
  };
  return {
    [ProxyEnvironment.namespace]: namespace,
    [ProxyEnvironment.workload]: `${name}-v1`,
    [ProxyEnvironment.app]: name,
    [ProxyEnvironment.version]: "v1",
    [ProxyEnvironment.canonicalService]: name,
    [ProxyEnvironment.canonicalRevision]: "v1",
    [ProxyEnvironment.cluster]: "Kubernetes",
    [ProxyEnvironment.peerMetadata]: Buffer.from(Value.encode(Value.wrap(peer)).finish()).toString(
      "base64",
    ),
  };
}

/** A fresh CA: certificates by SPIFFE id, and its root. */
export function testAuthority() {
  const now = Date.now();
  const period = { notBefore: now - 1000, notAfter: now + 3_600_000 };
  const root = selfSignedRoot("cluster.local", period);
  const opened = openAuthority(
    {
      "ca-cert.pem": root.certificatePem,
      "ca-key.pem": root.privateKeyPem,
      "root-cert.pem": root.certificatePem,
      "cert-chain.pem": "",
    },
    now,
  );
  assert(opened.ok);
  return (uri: string) => ({
    identity: opened.value.issue({ uris: [uri] }, period),
    rootPem: root.certificatePem,
  });
}

/** Has an application listen on a free loopback port. */
export async function listen(application: Server): Promise<number> {
  await new Promise<void>(done => application.listen(0, "127.0.0.1", done));
  return portOf(application);
}

function portOf(application: { address(): string | AddressInfo | null }): number {
  const address = application.address();
  assert(typeof address === "object" && address !== null);
  return address.port;
}

/** What freePorts has given out: whoever asks next is not given it again before it is listened on. */
const given = new Set<number>();

/** Ports that were free a moment ago, one for each name. */
export async function freePorts<Name extends string>(
  names: readonly Name[],
): Promise<Record<Name, number>> {
  const servers = names.map(name => [name, createServer()] as const);
  const ports: Partial<Record<Name, number>> = {};
  const held: Server[] = [];
  for (const [name, first] of servers) {
    let server = first;
    let port = await listen(server);
    while (given.has(port)) {
      held.push(server);
      server = createServer();
      port = await listen(server);
    }
    held.push(server);
    given.add(port);
    ports[name] = port;
  }
  for (const server of held) await new Promise(done => server.close(done));
  return ports as Record<Name, number>;
}

/** The series of a metric with all these labels; their values added up. */
export async function metric(
  envoy: EnvoyProcess,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const text = await envoy.admin("/stats/prometheus?filter=istio_");
  const lines = text.split("\n").filter(line => line.startsWith(`envoy_${name}{`));
  const matching = lines.filter(line =>
    Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)),
  );
  return matching.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Waits for a series with these labels; else says which there are. */
export async function counted(
  envoy: EnvoyProcess,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  await eventually(
    `${name} ${JSON.stringify(labels)}`,
    async () => (await metric(envoy, name, labels)) > 0,
    5000,
  ).catch(async error => {
    const text = await envoy.admin("/stats/prometheus?filter=istio_");
    const lines = text.split("\n").filter(line => line.startsWith(`envoy_${name}{`));
    throw new Error(`${error.message}; there is:\n${lines.join("\n")}`);
  });
}
