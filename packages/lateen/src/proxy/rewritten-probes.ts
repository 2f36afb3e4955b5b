import type { Json, JsonObject } from "../api/kind.ts";
import type { Container, Probe } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";
import {
  type AppProbe,
  type ContainerProbe,
  type ProbeCheck,
  probeHttpGet,
  rewriteProbe,
} from "./probes.ts";
import { objectOf } from "./raw.ts";
import { PROXY_CONTAINER } from "./sidecar-container.ts";

const PROBES = ["readinessProbe", "livenessProbe", "startupProbe"] as const;
/** Of `lifecycle`. Kubernetes carries out no tcpSocket there; exec and sleep need no network. */
const HOOKS = ["preStop", "postStart"] as const;

export interface RewrittenProbe {
  readonly container: string;
  readonly field: ContainerProbe["type"];
  readonly probe: AppProbe;
}

/** The probes and hooks that Envoy answers; exec probes, and ports without a number, stay as they are. */
export function rewrittenProbes(pod: Pod): RewrittenProbe[] {
  const sidecars = (pod.spec.initContainers ?? []).filter(each => each.restartPolicy === "Always");
  return [...pod.spec.containers, ...sidecars]
    .filter(container => container.name !== PROXY_CONTAINER)
    .flatMap(container => [
      ...PROBES.flatMap(field => {
        const found = container[field];
        return found === undefined ? [] : rewrite(container, field, found, found);
      }),
      ...HOOKS.flatMap(field => {
        const httpGet = container.lifecycle?.[field]?.httpGet;
        return httpGet === undefined ? [] : rewrite(container, field, { httpGet }, UNTIMED);
      }),
    ]);
}

/** A hook is asked once, and has the time that Kubernetes gives it. */
const UNTIMED: Times = { periodSeconds: 1, timeoutSeconds: 0 };

type Times = Pick<Probe, "periodSeconds" | "timeoutSeconds">;
type Asked = Pick<Probe, "httpGet" | "tcpSocket" | "grpc">;

function rewrite(
  container: Container,
  field: ContainerProbe["type"],
  asked: Asked,
  { periodSeconds, timeoutSeconds }: Times,
): RewrittenProbe[] {
  const found = checkOf(container, asked);
  if (found === undefined) return [];
  const { name } = container;
  const times = { periodSeconds, timeoutSeconds };
  const probe = rewriteProbe({ container: name, type: field, ...found, ...times });
  return [{ container: name, field, probe }];
}

function checkOf(
  container: Container,
  probe: Asked,
): { readonly check: ProbeCheck; readonly port: number } | undefined {
  const number = (port: number | string): number | undefined =>
    typeof port === "number"
      ? port
      : container.ports?.find(candidate => candidate.name === port)?.containerPort;
  const { httpGet, tcpSocket, grpc } = probe;
  // A probe of another host has nothing to do with interception.
  if (httpGet !== undefined && httpGet.host === undefined) {
    const port = number(httpGet.port);
    const headers = httpGet.httpHeaders ?? [];
    const host = headers.find(header => header.name.toLowerCase() === "host")?.value;
    const path = httpGet.path.startsWith("/") ? httpGet.path : `/${httpGet.path}`;
    const request = { path, scheme: httpGet.scheme, host, headers };
    return port === undefined ? undefined : { check: { kind: "http", request }, port };
  }
  if (tcpSocket !== undefined && tcpSocket.host === undefined) {
    const port = number(tcpSocket.port);
    return port === undefined ? undefined : { check: { kind: "tcp" }, port };
  }
  if (grpc !== undefined)
    return { check: { kind: "grpc", service: grpc.service }, port: grpc.port };
  return undefined;
}

/** The container with its probes and hooks asking Envoy. */
export function withProbes(
  container: JsonObject,
  probes: readonly RewrittenProbe[],
  statusPort: number,
): JsonObject {
  const changed: Record<string, Json> = { ...container };
  for (const { field, probe, container: name } of probes) {
    if (name !== container["name"]) continue;
    const httpGet = probeHttpGet(probe, statusPort);
    if (field === "preStop" || field === "postStart") {
      changed["lifecycle"] = { ...objectOf(changed["lifecycle"]), [field]: { httpGet } };
      continue;
    }
    const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...rest } = objectOf(container[field]);
    changed[field] = { ...rest, httpGet };
  }
  return changed;
}
