/** What Kubernetes serves and this API does not: each refusal says what to use instead. */
import { type Failed, failed } from "../status.ts";
import { parseResourcePath, type ResourcePath } from "./api-request.ts";

/** By `plural/subresource`: what `lateen` does by commands of its own, or by itself. */
const SUBRESOURCES: Readonly<Record<string, string>> = {
  "pods/exec": "use `lateen exec POD -- COMMAND`",
  "pods/log": "use `lateen logs POD`",
  "pods/attach": "use `lateen exec POD -- COMMAND`",
  "pods/portforward":
    "pods and Services are reachable from this machine under their addresses, or use `lateen port-forward POD PORT`",
  "pods/ephemeralcontainers": "use `lateen exec POD -- COMMAND`",
  "pods/eviction": "use `kubectl delete pod`",
  "serviceaccounts/token":
    "pods get a token of their service account by themselves, for the control plane alone",
};

const NO_ACCESS_RULES = "there are no access rules here: whoever has the token may do everything";

/** By `group/plural`. */
const RESOURCES: Readonly<Record<string, string>> = {
  "autoscaling/horizontalpodautoscalers": "use `kubectl scale`",
  "rbac.authorization.k8s.io/roles": NO_ACCESS_RULES,
  "rbac.authorization.k8s.io/rolebindings": NO_ACCESS_RULES,
  "rbac.authorization.k8s.io/clusterroles": NO_ACCESS_RULES,
  "rbac.authorization.k8s.io/clusterrolebindings": NO_ACCESS_RULES,
};

/** 501 with what to use instead, for subresources that other programs serve. */
export function servedElsewhere(
  { plural, subresource }: ResourcePath,
  forwardLine?: string,
): Failed | undefined {
  const what = `${plural}/${subresource}`;
  const instead =
    what === "pods/portforward" && forwardLine !== undefined
      ? `use \`${forwardLine}\``
      : SUBRESOURCES[what];
  if (instead === undefined) return undefined;
  return failed(501, "NotImplemented", `${what} is not served by this API: ${instead}`);
}

/** 404, with what to use instead where that is known. */
export function unknownPath(path: string): Failed {
  const parsed = parseResourcePath(path);
  const instead = parsed && RESOURCES[`${parsed.group}/${parsed.plural}`];
  const hint = instead === undefined ? `there is nothing at ${path}` : instead;
  return failed(404, "NotFound", `the server could not find the requested resource (${hint})`);
}
