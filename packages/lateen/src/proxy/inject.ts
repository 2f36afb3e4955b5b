/** What decides about injection, in a pod's and its namespace's labels and annotations. */
export interface InjectionQuestion {
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly podLabels: Readonly<Record<string, string>>;
  readonly podAnnotations: Readonly<Record<string, string>>;
  readonly hostNetwork: boolean;
  /** Revision of the control plane that asks; "default" answers to istio-injection=enabled. */
  readonly revision: string;
  /** Inject where neither namespace nor pod says anything (Istio: enableNamespacesByDefault). */
  readonly enableByDefault: boolean;
}

export interface InjectionAnswer {
  readonly inject: boolean;
  /** Why, in words that name the label. */
  readonly reason: string;
}

const NEVER = new Set(["kube-system", "kube-public", "kube-node-lease", "local-path-storage"]);
const INJECT = "sidecar.istio.io/inject";
const REVISION = "istio.io/rev";
const NAMESPACE = "istio-injection";

/**
 * Whether this revision injects a sidecar, as Istio's webhook selectors and injector decide: the
 * namespace's labels first, then the pod's label (or, older, annotation) `sidecar.istio.io/inject`.
 * https://istio.io/latest/docs/ops/common-problems/injection/
 */
export function decideInjection(question: InjectionQuestion): InjectionAnswer {
  if (question.hostNetwork) return no("the pod uses the host's network");
  if (NEVER.has(question.namespace)) return no(`namespace ${question.namespace} is never injected`);
  const pod = question.podLabels[INJECT] ?? question.podAnnotations[INJECT];
  if (pod !== undefined && isFalse(pod)) return no(`the pod has ${INJECT}=${pod}`);
  const namespace = question.namespaceLabels[NAMESPACE];
  if (namespace === "disabled") return no(`the namespace has ${NAMESPACE}=disabled`);
  if (namespace === "enabled") return ours(question, "default", `${NAMESPACE}=enabled`);
  const wanted = question.namespaceLabels[REVISION];
  if (wanted !== undefined) return ours(question, wanted, `${REVISION}=${wanted}`);
  const podRevision = question.podLabels[REVISION];
  if (pod !== undefined && isTrue(pod))
    return ours(question, podRevision ?? "default", `${INJECT}=${pod}`);
  if (podRevision !== undefined) return ours(question, podRevision, `${REVISION}=${podRevision}`);
  if (question.enableByDefault)
    return ours(question, "default", "injection is on where nothing is said");
  return no("neither the namespace nor the pod asks for it");
}

function ours(question: InjectionQuestion, revision: string, because: string): InjectionAnswer {
  if (revision === question.revision) return { inject: true, reason: because };
  return no(`${because}: that is revision ${revision}, this is ${question.revision}`);
}

function no(reason: string): InjectionAnswer {
  return { inject: false, reason };
}

/** YAML's old spellings, as Istio reads them. */
function isTrue(text: string): boolean {
  return ["true", "yes", "y", "on", "1"].includes(text.toLowerCase());
}

function isFalse(text: string): boolean {
  return ["false", "no", "n", "off", "0"].includes(text.toLowerCase());
}
