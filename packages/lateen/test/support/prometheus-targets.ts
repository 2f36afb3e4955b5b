/**
 * What a Prometheus with this configuration would scrape of pods: its relabelling, as far as
 * samples/addons uses it. https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import type { JsonObject } from "../../src/api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";

export interface ScrapeTarget {
  readonly url: string;
  /** Those that series get. */
  readonly labels: Readonly<Record<string, string>>;
}

interface RelabelRule {
  readonly source_labels?: readonly string[];
  readonly action?: string;
  readonly regex?: string;
  readonly target_label?: string;
  readonly replacement?: string;
}

interface ScrapeConfig {
  readonly job_name: string;
  readonly relabel_configs?: readonly RelabelRule[];
}

type Labels = Map<string, string>;

/** Targets of a job with role `pod`; the same one of several ports once. `config` is prometheus.yml. */
export function podTargets(
  config: string,
  job: string,
  pods: readonly JsonObject[],
): ScrapeTarget[] {
  const jobs: readonly ScrapeConfig[] = parse(config).scrape_configs;
  const found = jobs.find(each => each.job_name === job);
  assert.ok(found, `no job ${job}`);
  const targets = new Map<string, ScrapeTarget>();
  for (const discovered of pods.flatMap(discoveredLabels)) {
    const labels = relabelled(discovered, found.relabel_configs ?? []);
    if (labels === undefined) continue;
    const at = (name: string): string => labels.get(name) ?? "";
    const url = `${at("__scheme__")}://${at("__address__")}${at("__metrics_path__")}`;
    const kept = [...labels].filter(([name]) => !name.startsWith("__"));
    targets.set(url, { url, labels: Object.fromEntries(kept) });
  }
  return [...targets.values()];
}

/** One for each port of each container, and for each container without ports. */
function discoveredLabels(pod: JsonObject): Labels[] {
  const { metadata, status } = {
    metadata: objectAt(pod, "metadata"),
    status: objectAt(pod, "status"),
  };
  const prefix = "__meta_kubernetes_pod";
  const all: Labels = new Map([
    ["__scheme__", "http"],
    ["__metrics_path__", "/metrics"],
    ["__meta_kubernetes_namespace", stringAt(metadata, "namespace")],
    [`${prefix}_name`, stringAt(metadata, "name")],
    [`${prefix}_ip`, stringAt(status, "podIP")],
    [`${prefix}_phase`, stringAt(status, "phase")],
    [`${prefix}_node_name`, stringAt(objectAt(pod, "spec"), "nodeName")],
  ]);
  for (const kind of ["annotation", "label"])
    for (const [name, value] of Object.entries(objectAt(metadata, `${kind}s`)))
      all.set(`${prefix}_${kind}_${name.replace(/[^a-zA-Z0-9_]/g, "_")}`, String(value));
  const spec = objectAt(pod, "spec");
  const containers = [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")];
  return containers.filter(isObject).flatMap(container => {
    const ports = arrayAt(container, "ports").filter(isObject);
    const addresses = ports.map(port => `${stringAt(status, "podIP")}:${port["containerPort"]}`);
    const own = addresses.length > 0 ? addresses : [stringAt(status, "podIP")];
    const name: [string, string] = [`${prefix}_container_name`, stringAt(container, "name")];
    return own.map(address => new Map([...all, name, ["__address__", address]]));
  });
}

function relabelled(discovered: Labels, rules: readonly RelabelRule[]): Labels | undefined {
  const labels = new Map(discovered);
  for (const rule of rules) {
    const { source_labels = [], action = "replace", replacement = "$1", target_label = "" } = rule;
    const regex = new RegExp(`^(?:${rule.regex ?? "(.*)"})$`, "s");
    const value = source_labels.map(name => labels.get(name) ?? "").join(";");
    if (action === "keep" && !regex.test(value)) return undefined;
    if (action === "drop" && regex.test(value)) return undefined;
    if (action === "replace" && regex.test(value))
      labels.set(target_label, value.replace(regex, replacement));
    if (action === "labelmap")
      for (const [name, mapped] of [...labels])
        if (regex.test(name)) labels.set(name.replace(regex, replacement), mapped);
    assert.match(action, /^(keep|drop|replace|labelmap)$/);
  }
  return labels;
}
