/** The control plane: sources -> graph -> streams. One process; `lateen discovery` runs it. */
import { createWorkloadCertificates, type WorkloadCertificates } from "../ca/workload-certs.ts";
import type { CellFamily, InputCollection } from "../flow/types.ts";
import { MESH_KEY } from "../model/inputs.ts";
import type { Credential, TrustBundle, WorkloadCertificate } from "../model/types.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import type { ObjectDiagnostics } from "../sources/input-writer.ts";
import { createObjectStatus, type ObjectStatus } from "../status/object-status.ts";
import type { EncodedResource } from "../xds/resource.ts";
import { createSecretCells } from "../xds/resources/secrets.ts";
import type { DiscoveryOptions } from "./discovery-options.ts";
import { prepareReading } from "./discovery-reading.ts";
import { createFront, startServing } from "./discovery-serving.ts";
import { clientOf, firstMesh, lastGood } from "./discovery-source.ts";
import { logFailures } from "./graph-failures.ts";
import { handOver } from "./hand-over.ts";
import { defaultMesh } from "./mesh-config-input.ts";
import { createMeshGraph, type MeshGraph } from "./mesh-graph.ts";
import { createReplicas } from "./replicas.ts";
import { openTrust, type Trust } from "./trust.ts";

export interface RunningDiscovery {
  /** Ports in the order of the options, 0 replaced by what the kernel gave. */
  readonly plaintextPort: number | undefined;
  readonly tlsPorts: readonly number[];
  readonly httpPorts: readonly number[];
  readonly webhookPort: number | undefined;
  /**
   * Hands everything over to other replicas: the lead at once; streams when Services have had time
   * to notice that this one is not ready any more. Until then, and until `stop`, it serves.
   */
  drain(withinMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Rejects, with a reason for a person, when a port or the CA can not be had. */
export async function startDiscovery(options: DiscoveryOptions): Promise<RunningDiscovery> {
  const declared = declare(options);
  const { mesh, client, status } = declared;
  const base = options.mesh ?? defaultMesh();
  const kept = lastGood(options);
  const started = await firstMesh(options, client, base, kept.lastGood);
  const { trustDomain } = started;
  mesh.graph.commit({ source: "defaults" }, writer =>
    writer.set(mesh.inputs.mesh, MESH_KEY, started),
  );
  const identity = await openIdentity(options, declared, trustDomain);
  const reading = prepareReading(options, declared, identity, base);
  const front = createFront(options, declared, identity, reading);
  const replicas = createReplicas(options, declared, front);
  reading.start(
    kept,
    () => {
      replicas?.start();
      front.source.markReady();
    },
    ({ group, kind }, event) => front.metrics.observeObject({ group, kind, event }),
  );
  const serving = await startServing(options, front, identity);
  identity.trust?.follow();
  const { ports, webhookPort } = serving;
  options.log.info("control plane is up", {
    plaintext: ports.plaintext,
    tls: ports.tls.join(","),
  });
  return {
    plaintextPort: ports.plaintext,
    tlsPorts: ports.tls,
    httpPorts: serving.httpPorts,
    webhookPort,
    async drain(withinMs) {
      front.leave();
      await handOver(withinMs, {
        clock: options.clock,
        giveLeadBack: () => reading.stopLeading(),
        drainStreams: overMs => serving.drain(overMs),
      });
    },
    async stop() {
      reading.stopReading();
      await Promise.all([serving.stopWebhooks(), replicas?.stop()]);
      await reading.stopLeading();
      status.stop();
      identity.trust?.stop();
      identity.certificates?.dispose();
      await serving.stop();
    },
  };
}

/** What the graph is made of, and who writes statuses from it. */
export interface Declared {
  readonly mesh: MeshGraph;
  readonly inputs: IdentityInputs;
  readonly diagnostics: InputCollection<ObjectDiagnostics>;
  readonly secretCells: CellFamily<EncodedResource | undefined>;
  /** undefined: objects come from files. */
  readonly client: ApiClient | undefined;
  readonly status: ObjectStatus;
}

export interface IdentityInputs {
  readonly certificates: InputCollection<WorkloadCertificate>;
  readonly bundles: InputCollection<TrustBundle>;
  readonly credentials: InputCollection<Credential>;
}

/** Without a CA (files) there is no trust, and there are no certificates. */
export interface Identity {
  readonly trustDomain: string;
  readonly trust: Trust | undefined;
  readonly certificates: WorkloadCertificates | undefined;
}

function declare({ source, clock, random, log }: DiscoveryOptions): Declared {
  const mesh = createMeshGraph();
  const { graph, model, resources } = mesh;
  logFailures(graph, log.scope("graph"));
  const inputs: IdentityInputs = {
    certificates: graph.input("workload certificates"),
    bundles: graph.input("trust bundles"),
    credentials: mesh.inputs.credentials,
  };
  const diagnostics = graph.input<ObjectDiagnostics>("diagnostics");
  const secretCells = createSecretCells(graph, inputs);
  const client = clientOf(source);
  const status = createObjectStatus({
    graph,
    model,
    resources,
    diagnostics,
    client,
    clock,
    random,
    log: log.scope("status"),
  });
  return { mesh, inputs, diagnostics, secretCells, client, status };
}

async function openIdentity(
  options: DiscoveryOptions,
  { mesh: { graph }, inputs, client }: Declared,
  trustDomain: string,
): Promise<Identity> {
  const trust = client && (await openTrust(options, client, trustDomain));
  if (trust === undefined) return { trustDomain, trust, certificates: undefined };
  const { clock, random, log, certificateLifetimeMs: lifetimeMs } = options;
  const certificates = createWorkloadCertificates({
    graph,
    rows: inputs.certificates,
    authority: trust.authority,
    clock,
    random,
    log: log.scope("ca"),
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
  });
  const { authority } = trust;
  const writeBundle = (): void => {
    const bundle: TrustBundle = { trustDomain, roots: authority.roots };
    graph.commit({ source: "ca" }, writer => writer.set(inputs.bundles, trustDomain, bundle));
  };
  writeBundle();
  authority.onChanged(({ roots, issuer }) => {
    if (roots) writeBundle();
    if (issuer) certificates.replaceWithin(authority.spreadMs);
  });
  return { trustDomain, trust, certificates };
}
