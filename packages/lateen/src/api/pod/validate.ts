/** Kubernetes' rules for pods that the mesh and the local runtime rest on. */
import { pathOf, type Report } from "../report.ts";
import type { Container } from "./container.ts";
import type { PodSpec } from "./pod-spec.ts";

/** `path` is where the spec lies: `spec`, or `spec.template.spec` in a Deployment. */
export function validatePodSpec(spec: PodSpec, path: string, report: Report): void {
  if (spec.containers.length === 0)
    report.error(`${path}.containers`, "Required", "found none, want at least one container");
  const volumes = uniqueNames(spec.volumes, `${path}.volumes`, report);
  const names = uniqueNames(spec.containers, `${path}.containers`, report);
  for (const init of spec.initContainers ?? [])
    if (names.has(init.name))
      report.error(`${path}.initContainers`, "Duplicate", `"${init.name}" is a container, too`);
  uniqueNames(spec.initContainers ?? [], `${path}.initContainers`, report);
  spec.containers.forEach((one, i) => {
    validateContainer(one, volumes, pathOf(`${path}.containers`, i), report);
  });
  spec.initContainers?.forEach((one, i) => {
    validateContainer(one, volumes, pathOf(`${path}.initContainers`, i), report);
  });
}

function uniqueNames(
  items: readonly { readonly name: string }[],
  path: string,
  report: Report,
): ReadonlySet<string> {
  const names = new Set<string>();
  items.forEach(({ name }, i) => {
    if (names.has(name))
      report.error(pathOf(path, i, "name"), "Duplicate", `found "${name}" a second time`);
    names.add(name);
  });
  return names;
}

function validateContainer(
  container: Container,
  volumes: ReadonlySet<string>,
  path: string,
  report: Report,
): void {
  const names = new Set<string>();
  container.ports.forEach(({ name }, i) => {
    if (name === undefined) return;
    if (names.has(name))
      report.error(pathOf(path, "ports", i, "name"), "Duplicate", `found "${name}" a second time`);
    names.add(name);
  });
  container.volumeMounts.forEach((mount, i) => {
    if (!volumes.has(mount.name))
      report.error(
        pathOf(path, "volumeMounts", i, "name"),
        "NotFound",
        `found "${mount.name}", want the name of one of the pod's volumes`,
      );
  });
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const set = container[probe];
    if (set === undefined || set.exec || set.httpGet || set.tcpSocket || set.grpc) continue;
    report.error(`${path}.${probe}`, "Required", "want one of exec, httpGet, tcpSocket or grpc");
  }
}
