/** Findings about Ingresses. They have no place for conditions, so the control plane's log has them. */
import type { Ingress, IngressBackend } from "../api/ingress/schema.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import { parseSpiffeId } from "../base/spiffe.ts";
import type { Graph, Reader, SelectableIndex } from "../flow/types.ts";
import { type Findings, findingsOf, selectsNothing, warning } from "./finding.ts";
import { missingCredential, type RejectedServers, selectorId } from "./findings-gateway.ts";
import type { RejectedServer } from "./gateways.ts";
import { serviceHostname } from "./hosts.ts";
import { pathMatch, sharedGateway, tlsGateway } from "./ingress.ts";
import { MESH_KEY, objectKey } from "./inputs.ts";
import type { Model } from "./model.ts";
import { isCarried } from "./protocol.ts";
import { serviceKey } from "./services.ts";
import type { Workload } from "./workloads.ts";

const CONFLICT = "ConflictingGateways";
const NOT_FOUND = "ReferencedResourceNotFound";

export function ingressFindings(
  graph: Graph,
  model: Pick<Model, "inputs" | "ingresses" | "shapes">,
  pods: SelectableIndex<Workload>,
  rejected: RejectedServers,
): Findings {
  const { inputs, ingresses, shapes } = model;
  return findingsOf<Ingress>(graph, "Ingress", ingresses.rows, {
    group: "networking.k8s.io",
    reads: [ingresses.context, pods, inputs.credentials, inputs.services, shapes, rejected],
    fn: (ingress, read) => {
      const mesh = read.get(ingresses.context, MESH_KEY);
      if (mesh === undefined) return [];
      const labels = { istio: mesh.ingress.selector };
      const gateways = read.select(pods, { namespace: undefined, matchLabels: labels });
      const served = gateways.length === 0 ? [selectsNothing("", labels)] : [];
      const namespaces = gateways.flatMap(
        pod => parseSpiffeId(pod.serviceAccount)?.namespace ?? [],
      );
      return [
        ...served,
        ...backendFindings(ingress, mesh.domain, read, model),
        ...tlsFindings(ingress, [...new Set(namespaces)], name =>
          namespaces.some(each => read.has(inputs.credentials, `${each}/${name}`)),
        ),
        ...conflicts(ingress, mesh.rootNamespace, read.get(rejected, selectorId(labels)) ?? []),
      ];
    },
  });
}

/** What others have already of the ports and hosts that the Ingress wants. */
function conflicts(
  { metadata, spec }: Ingress,
  rootNamespace: string,
  rejected: readonly RejectedServer[],
): readonly Diagnostic[] {
  const shared = objectKey(sharedGateway(rootNamespace));
  const own = objectKey(tlsGateway(metadata, rootNamespace));
  const entries = spec.tls.flatMap(({ secretName }, i) => (secretName === "" ? [] : [i]));
  return rejected.flatMap(({ gateway, index, reason, lost }) => {
    const message =
      lost === undefined ? `has no effect: ${reason}` : `not for all hosts: ${reason}`;
    if (gateway === own)
      return [warning(`spec.tls[${entries[index] ?? 0}].hosts`, CONFLICT, message)];
    return gateway === shared ? [warning("spec.rules", CONFLICT, message)] : [];
  });
}

function backendFindings(
  { metadata, spec }: Ingress,
  domain: string,
  read: Reader,
  { inputs, shapes }: Pick<Model, "inputs" | "shapes">,
): readonly Diagnostic[] {
  const of = (backend: IngressBackend, path: string): readonly Diagnostic[] => {
    const { service } = backend;
    if (service === undefined)
      return [warning(path, "NotCarriedOut", "requests go to Services only; it answers 501")];
    const hostname = serviceHostname(service.name, metadata.namespace, domain);
    const shape = read.get(shapes, serviceKey(metadata.namespace, hostname));
    const key = objectKey({ namespace: metadata.namespace, name: service.name });
    if (shape === undefined && read.get(inputs.services, key)?.spec.type === "ExternalName")
      return service.port.number === undefined
        ? [
            warning(
              `${path}.service.port`,
              NOT_FOUND,
              "a name of another Service has no named ports",
            ),
          ]
        : [];
    if (shape === undefined)
      return [warning(`${path}.service.name`, NOT_FOUND, `found no Service ${service.name}`)];
    const { name, number } = service.port;
    const carried = shape.ports.filter(({ protocol }) => isCarried(protocol));
    const found = carried.some(each =>
      number === undefined ? each.name === name : each.number === number,
    );
    if (found) return [];
    const meant = nearest(
      name,
      carried.map(each => each.name),
    );
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    const ports = carried.map(each => `${each.number} (${each.name})`).join(", ");
    const message = `${service.name} has no port ${number ?? name}, only ${ports}${hint}`;
    return [warning(`${path}.service.port`, NOT_FOUND, message)];
  };
  const rules = spec.rules.flatMap(({ http }, i) => {
    if (http === undefined)
      return [
        warning(`spec.rules[${i}].http`, "NotCarriedOut", "without paths a rule does nothing"),
      ];
    return http.paths.flatMap((path, j) => {
      const place = `spec.rules[${i}].http.paths[${j}]`;
      const never =
        pathMatch(path) === "never"
          ? [warning(`${place}.path`, "InvalidValue", "no request has ? or # in its path")]
          : [];
      return [...never, ...of(path.backend, `${place}.backend`)];
    });
  });
  return spec.defaultBackend === undefined
    ? rules
    : [...of(spec.defaultBackend, "spec.defaultBackend"), ...rules];
}

function tlsFindings(
  { spec }: Ingress,
  namespaces: readonly string[],
  isThere: (name: string) => boolean,
): readonly Diagnostic[] {
  return spec.tls.flatMap(({ secretName }, i) => {
    const path = `spec.tls[${i}].secretName`;
    if (secretName === "")
      return [warning(path, "NotCarriedOut", "without a Secret there is no certificate for it")];
    if (namespaces.length === 0 || isThere(secretName)) return [];
    return [missingCredential(path, secretName, namespaces)];
  });
}
