/** What is accepted of Istio's settings, has no effect here, and is to be explained. */
import type { Json, JsonObject } from "../api/kind.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { objectAt, stringAt, valueAt } from "../sources/json.ts";

/** Path below spec, the value that has no effect, and what there is instead. */
const NO_EFFECT: readonly (readonly [path: string, value: Json, message: string])[] = [
  [
    "values.global.nativeNftables",
    true,
    "not carried out: istio-init programs nf_tables by iptables-nft where the kernel has it, and " +
      "writes no rules for the program nft",
  ],
  [
    "values.pilot.enabled",
    false,
    "it has no effect: components.pilot.enabled says whether there is a control plane",
  ],
  [
    "values.base.enableCRDTemplates",
    false,
    "it has no effect: components.base.enabled says whether the CRDs are installed",
  ],
];

/** Settings that a specification may have and that change nothing, where more is to be said than that. */
export function notCarriedOut(spec: JsonObject): Diagnostic[] {
  const found: Diagnostic[] = [];
  const warn = (path: string, message: string): void => {
    found.push({ severity: "warning", path: `spec.${path}`, message, reason: "NotCarriedOut" });
  };
  for (const name of ["cni", "ztunnel"])
    if (valueAt(spec, `components.${name}.enabled`) === true)
      warn(
        `components.${name}`,
        `component ${name} is not carried out: nothing is installed for it`,
      );
  for (const [path, idle, message] of NO_EFFECT)
    if (valueAt(spec, path) === idle) warn(path, message);
  const global = objectAt(objectAt(spec, "values"), "global");
  const platform = stringAt(global, "platform");
  if (platform !== "" && platform !== "openshift")
    warn("values.global.platform", `nothing depends on platform ${platform}: it has no effect`);
  const variant = stringAt(global, "variant");
  if (variant !== "" && variant !== "default")
    warn(
      "values.global.variant",
      `there are no image variants, so "-${variant}" is not put behind the tag: pilot has no ` +
        "shell in any case, and init containers need the one of proxyv2",
    );
  return [...found, ...onOpenShift(spec)];
}

/** Its default security context constraints refuse what injected pods and gateways need. */
function onOpenShift(spec: JsonObject): Diagnostic[] {
  const values = objectAt(spec, "values");
  if (objectAt(values, "global")["platform"] !== "openshift") return [];
  const programmed =
    valueAt(values, "istio_cni.enabled") === true || valueAt(values, "pilot.cni.enabled") === true;
  const inject = programmed
    ? "istio-proxy runs as user 1337: oc adm policy add-scc-to-group nonroot-v2"
    : "init container istio-init is root with NET_ADMIN: oc adm policy add-scc-to-group privileged";
  const message =
    "OpenShift's default SCC refuses injected pods and gateways, and no CNI plugin is installed. " +
    `For each injected namespace, ${inject} system:serviceaccounts:NAMESPACE; for gateways in ` +
    "istio-system, oc adm policy add-scc-to-group nonroot-v2 system:serviceaccounts:istio-system. " +
    "Where Istio's CNI plugin is installed, values.pilot.cni.enabled=true leaves istio-init out";
  const path = "spec.values.global.platform";
  return [{ severity: "warning", path, message, reason: "NeedsGrant" }];
}
