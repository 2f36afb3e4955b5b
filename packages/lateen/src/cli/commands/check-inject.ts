/** `lateen x check-inject`: which webhooks inject a pod, and why; istioctl's words. */
import { type LabelSelector, selects } from "../../api/label-selector.ts";
import { type Command, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import {
  answers,
  get,
  type HookSelectors,
  type InjectionHook,
  injectionHooks,
  type Labels,
  labelsOf,
  podPath,
} from "../objects/webhooks.ts";
import { renderTable } from "../tabwriter.ts";
import { resolvePod } from "./resolve-pod.ts";

export const checkInjectCommand: Command = {
  name: "check-inject",
  summary: "Tells which webhooks inject a pod, and why",
  description:
    "Compares the labels of a pod and of its namespace with the selectors of the injection webhooks\n" +
    "that the cluster has.",
  flags: [
    {
      name: "labels",
      short: "l",
      kind: "string",
      description: "Labels of a pod that is not there yet: key=value,key=value",
    },
  ],
  positionals: [{ name: "[type/]name[.namespace]", required: false, completes: "pod" }],
  examples: [
    "lateen x check-inject details-v1-fcff6c49c-kqnfk.test",
    "lateen x check-inject -n test deployment/details-v1",
    "lateen x check-inject -n test -l app=helloworld,version=v1",
  ],
  async run(ctx, call) {
    const [pod] = call.args;
    const given = stringFlag(call, "labels");
    if ((pod === undefined) === (given === undefined))
      throw new UserError(
        "check-inject wants either a pod or labels",
        "lateen x check-inject [TYPE/]NAME[.NAMESPACE], or -l key=value",
      );
    const mesh = await ctx.mesh();
    const { namespace, labels } = await subject(ctx, pod, given);
    const namespaceObject = await get(mesh, `/api/v1/namespaces/${encodeURIComponent(namespace)}`);
    const hooks = await injectionHooks(mesh);
    if (hooks.length === 0) {
      ctx.stdout.write("ERROR: no Istio injection hooks present.\n");
      return 1;
    }
    const verdicts = hooks.map(hook => ({
      hook,
      ...verdict(hook, labelsOf(namespaceObject), labels),
    }));
    const rows: string[][] = [];
    for (const { hook, injected, reason } of verdicts) {
      const silent = injected ? await silence(mesh, hook) : undefined;
      const mark = injected && silent === undefined ? "✔" : "✘";
      rows.push([hook.name, hook.revision, mark, `${reason}${silent ?? ""}`]);
    }
    const header = ["WEBHOOK", "REVISION", "INJECTED", "REASON"];
    ctx.stdout.write(renderTable([header, ...rows], { padding: 2 }));
    if (verdicts.filter(({ injected }) => injected).length > 1)
      ctx.stdout.write("ERROR: multiple webhooks will inject, which can lead to errors\n");
    return 0;
  },
};

/** What becomes of the pod where the control plane that is to inject does not answer. */
async function silence(mesh: MeshAccess, hook: InjectionHook): Promise<string | undefined> {
  const { service, mustAnswer } = hook;
  if (service === undefined || (await answers(mesh, service)) !== false) return undefined;
  const then = mustAnswer ? "the pod is refused" : "the pod starts without a sidecar";
  return `, but no pod of Service ${service.name}.${service.namespace} is ready: ${then}`;
}

async function subject(
  ctx: CliContext,
  pod: string | undefined,
  given: string | undefined,
): Promise<{ readonly namespace: string; readonly labels: Labels }> {
  if (pod === undefined) return { namespace: ctx.namespace, labels: parseLabels(given ?? "") };
  const mesh = await ctx.mesh();
  const ref = await resolvePod(ctx, mesh, pod);
  return { namespace: ref.namespace, labels: labelsOf(await get(mesh, podPath(ref))) };
}

function parseLabels(text: string): Labels {
  return Object.fromEntries(
    text.split(",").map(part => {
      const [key = "", value, ...rest] = part.split("=");
      if (key === "" || value === undefined || rest.length > 0)
        throw new UserError(`"${part}" is no label: expected key=value`);
      return [key, value];
    }),
  );
}

interface Verdict {
  readonly injected: boolean;
  readonly reason: string;
}

function verdict(hook: InjectionHook, namespaceLabels: Labels, podLabels: Labels): Verdict {
  for (const webhook of hook.webhooks) {
    const found = one(webhook, namespaceLabels, podLabels);
    if (found !== undefined) return found;
  }
  const wanted = (field: keyof HookSelectors): string =>
    hook.webhooks
      .flatMap(webhook => webhook[field].matchExpressions)
      .filter(({ operator }) => operator === "In")
      .flatMap(({ key, values }) => values.map(value => `${key}=${value}`))
      .join(", ");
  const reason = `No matching namespace labels (${wanted("namespaces")}) or pod labels (${wanted("objects")})`;
  return { injected: false, reason };
}

/** undefined: this webhook has nothing to do with the pod. */
function one(
  webhook: HookSelectors,
  namespaceLabels: Labels,
  podLabels: Labels,
): Verdict | undefined {
  const byNamespace = selects(webhook.namespaces, namespaceLabels);
  const byPod = selects(webhook.objects, podLabels);
  if (byNamespace && byPod) {
    const namespace = decisive(webhook.namespaces, namespaceLabels);
    const pod = decisive(webhook.objects, podLabels);
    if (namespace !== undefined && pod !== undefined) {
      const reason = `Namespace label ${namespace} matches, and pod label ${pod} matches`;
      return { injected: true, reason };
    }
    if (namespace !== undefined)
      return { injected: true, reason: `Namespace label ${namespace} matches` };
    if (pod !== undefined) return { injected: true, reason: `Pod label ${pod} matches` };
    return {
      injected: true,
      reason: "Neither namespace nor pod says anything: injected by default",
    };
  }
  if (byNamespace) {
    const against = prevented(webhook.objects, podLabels);
    if (against !== undefined)
      return { injected: false, reason: `Pod has ${against} label, preventing injection` };
  }
  const said = namespaceLabels["istio-injection"];
  if (byPod && said !== undefined && said !== "enabled") {
    const reason = `Namespace has istio-injection=${said} label, preventing injection`;
    return { injected: false, reason };
  }
  return undefined;
}

/** The label that an In or NotIn of the selector looked at. */
function decisive(selector: LabelSelector, labels: Labels): string | undefined {
  const found = selector.matchExpressions.find(
    ({ key, operator }) => (operator === "In" || operator === "NotIn") && labels[key] !== undefined,
  );
  return found && `${found.key}=${labels[found.key]}`;
}

function prevented(selector: LabelSelector, labels: Labels): string | undefined {
  const found = selector.matchExpressions.find(({ key, operator, values }) => {
    const value = labels[key];
    if (value === undefined) return false;
    return operator === "DoesNotExist" || (operator === "NotIn" && values.includes(value));
  });
  return found && `${found.key}=${labels[found.key]}`;
}
