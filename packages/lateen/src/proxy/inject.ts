import { selects } from "../api/label-selector.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import { readFlag } from "./annotation-reader.ts";

type Labels = Readonly<Record<string, string>>;
export type LabelSelector = Parameters<typeof selects>[0];

/** What decides about injection, in a pod's and its namespace's labels and annotations. */
export interface InjectionQuestion extends WebhookQuestion, PodQuestion {}

/** What the API server looks at before it calls the webhook. */
export interface WebhookQuestion {
  readonly namespaceLabels: Labels;
  readonly podLabels: Labels;
  /** Revision of the control plane that asks; "default" answers to istio-injection=enabled. */
  readonly revision: string;
  /** Inject where neither namespace nor pod says anything (Istio: enableNamespacesByDefault). */
  readonly enableByDefault: boolean;
}

/** What the injector looks at in a pod that it was called for. */
export interface PodQuestion {
  readonly namespace: string;
  readonly podLabels: Labels;
  readonly podAnnotations: Labels;
  readonly hostNetwork: boolean;
  readonly policy: InjectionPolicy;
}

/** Of ConfigMap istio-sidecar-injector; selectors concern pods that say nothing themselves. */
export interface InjectionPolicy {
  readonly enabled: boolean;
  readonly neverInjectSelector: readonly LabelSelector[];
  readonly alwaysInjectSelector: readonly LabelSelector[];
}

export const defaultPolicy: InjectionPolicy = {
  enabled: true,
  neverInjectSelector: [],
  alwaysInjectSelector: [],
};

export interface InjectionAnswer {
  readonly inject: boolean;
  /** Why, in words that name the label. */
  readonly reason: string;
}

/** Namespaces that no webhook and no flag gets a sidecar into. */
export const IGNORED_NAMESPACES: readonly string[] = [
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "local-path-storage",
];
export const INJECT_LABEL = "sidecar.istio.io/inject";
export const NAMESPACE_LABEL = "istio-injection";

/** Both halves: whether the webhook is called for the pod, and what it answers then. */
export function decideInjection(question: InjectionQuestion): InjectionAnswer {
  const refused = refusedAnyway(question);
  if (refused !== undefined) return no(refused);
  const selected = webhookSelects(question);
  if (!selected.inject) return selected;
  const required = injectionRequired(question);
  return required.inject ? selected : required;
}

/**
 * Which pods this revision's webhook is called for: the namespace's labels first, then the pod's,
 * as the selectors of Istio's webhooks have it.
 * https://istio.io/latest/docs/ops/common-problems/injection/
 */
export function webhookSelects(question: WebhookQuestion): InjectionAnswer {
  const pod = question.podLabels[INJECT_LABEL];
  if (pod === "false") return no(`the pod has ${INJECT_LABEL}=false`);
  const namespace = question.namespaceLabels[NAMESPACE_LABEL];
  if (namespace === "enabled") return ours(question, "default", `${NAMESPACE_LABEL}=enabled`);
  if (namespace !== undefined) return no(`the namespace has ${NAMESPACE_LABEL}=${namespace}`);
  const wanted = question.namespaceLabels[REVISION_LABEL];
  if (wanted !== undefined) return ours(question, wanted, `${REVISION_LABEL}=${wanted}`);
  const podRevision = question.podLabels[REVISION_LABEL];
  if (podRevision !== undefined)
    return ours(question, podRevision, `${REVISION_LABEL}=${podRevision}`);
  if (pod === "true") return ours(question, "default", `${INJECT_LABEL}=true`);
  if (question.enableByDefault && pod === undefined)
    return ours(question, "default", "injection is on where nothing is said");
  return no("neither the namespace nor the pod asks for it");
}

/**
 * What the injector itself decides: the pod's label (or, older, annotation)
 * `sidecar.istio.io/inject`, then the selectors of the installation, then its policy.
 * https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
 */
export function injectionRequired(question: PodQuestion): InjectionAnswer {
  const refused = refusedAnyway(question);
  if (refused !== undefined) return no(refused);
  const { podLabels, podAnnotations, policy } = question;
  const said = podLabels[INJECT_LABEL] ?? podAnnotations[INJECT_LABEL];
  const flag = said === undefined ? undefined : readFlag(said);
  if (flag === false) return no(`the pod has ${INJECT_LABEL}=${said}`);
  if (flag === true) return { inject: true, reason: `the pod has ${INJECT_LABEL}=${said}` };
  const matches = (selectors: readonly LabelSelector[]): boolean =>
    selectors.some(selector => !isEmpty(selector) && selects(selector, podLabels));
  if (matches(policy.neverInjectSelector)) return no("neverInjectSelector matches the pod");
  if (matches(policy.alwaysInjectSelector))
    return { inject: true, reason: "alwaysInjectSelector matches the pod" };
  return policy.enabled
    ? { inject: true, reason: "the injection policy is enabled" }
    : no("the injection policy is disabled and the pod does not ask for it");
}

function refusedAnyway(question: PodQuestion): string | undefined {
  if (question.hostNetwork) return "the pod uses the host's network";
  if (IGNORED_NAMESPACES.includes(question.namespace))
    return `namespace ${question.namespace} is never injected`;
  return undefined;
}

/** Istio takes an empty selector for none. */
function isEmpty(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0;
}

function ours(question: WebhookQuestion, revision: string, because: string): InjectionAnswer {
  if (revision === question.revision) return { inject: true, reason: because };
  return no(`${because}: that is revision ${revision}, this is ${question.revision}`);
}

function no(reason: string): InjectionAnswer {
  return { inject: false, reason };
}
