import type { Container } from "../api/pod/container.ts";
import type { Pod } from "../api/pod/schema.ts";
import { own } from "../base/own.ts";
import { expandReferences } from "../proxy/expansion.ts";
import type { ContainerCommand } from "./container-process.ts";
import { containerUser } from "./container-user.ts";
import { standInFor } from "./stand-ins.ts";

/** Where values come from that are not in the pod's spec. */
export interface CommandContext {
  readonly podIp: string;
  readonly hostIp: string;
  /** Environment of every container: PATH, HOME, LATEEN_ROOT. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** Data of a ConfigMap or Secret in the pod's namespace. */
  data(kind: "ConfigMap" | "Secret", name: string): Readonly<Record<string, string>> | undefined;
}

export type CommandResult =
  | {
      readonly ok: true;
      readonly command: ContainerCommand;
      /** The container names none, and a program of Lateen's answers in place of its image. */
      readonly standIn: boolean;
    }
  | { readonly ok: false; readonly reason: string; readonly message: string };

/**
 * Turns a container's spec into a program with arguments and environment, with Kubernetes' rules:
 * variables refer to earlier ones, `$(NAME)` is expanded in command and args.
 */
export function containerCommand(
  pod: Pod,
  container: Container,
  context: CommandContext,
): CommandResult {
  const said = container.command ?? [];
  const standIn = said.length === 0 ? standInFor(container.image ?? "") : undefined;
  const command = standIn?.command ?? said;
  if (command.length === 0)
    return wrong(
      "CreateContainerConfigError",
      `container ${container.name} names no program: on one machine images (${container.image}) ` +
        "are not run; set command",
    );
  const env: Record<string, string> = {
    ...context.baseEnv,
    ...standIn?.env,
    HOSTNAME: pod.spec.hostname ?? pod.metadata.name,
  };
  const problem = fillEnvironment(env, pod, container, context);
  if (problem !== undefined) return wrong("CreateContainerConfigError", problem);
  const expand = (text: string): string => expandReferences(text, name => own(env, name));
  const user = containerUser(pod, container);
  const root = user.uid === 0 ? rootProblem(pod, container) : undefined;
  if (root !== undefined) return wrong("CreateContainerConfigError", root);
  return {
    ok: true,
    standIn: standIn !== undefined,
    command: {
      argv: [...command, ...(container.args ?? [])].map(expand),
      env,
      workingDir: container.workingDir || "/",
      user,
    },
  };
}

/** Why it must not run as root; the words are the kubelet's. */
function rootProblem(pod: Pod, container: Container): string | undefined {
  const own = container.securityContext;
  const shared = pod.spec.securityContext;
  if ((own?.runAsNonRoot ?? shared.runAsNonRoot) !== true) return undefined;
  const { name, namespace, uid } = pod.metadata;
  const where = `(pod: "${name}_${namespace}(${uid})", container: ${container.name})`;
  return (own?.runAsUser ?? shared.runAsUser) === undefined
    ? `container has runAsNonRoot and image will run as root ${where}`
    : `container's runAsUser breaks non-root policy ${where}`;
}

function fillEnvironment(
  env: Record<string, string>,
  pod: Pod,
  container: Container,
  context: CommandContext,
): string | undefined {
  for (const source of container.envFrom ?? []) {
    const kind = source.configMapRef === undefined ? "Secret" : "ConfigMap";
    const reference = source.configMapRef ?? source.secretRef;
    if (reference === undefined) continue;
    const data = context.data(kind, reference.name);
    if (data === undefined && reference.optional !== true)
      return `${kind.toLowerCase()} "${reference.name}" not found`;
    for (const [key, value] of Object.entries(data ?? {})) env[(source.prefix ?? "") + key] = value;
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom === undefined) {
      env[name] = expandReferences(value ?? "", other => own(env, other));
      continue;
    }
    const found = sourceValue(pod, valueFrom, context);
    if ("problem" in found) return found.problem;
    if (found.value !== undefined) env[name] = found.value;
  }
  return undefined;
}

type EnvSource = NonNullable<NonNullable<Container["env"]>[number]["valueFrom"]>;
type Found = { readonly value: string | undefined } | { readonly problem: string };

function sourceValue(pod: Pod, source: EnvSource, context: CommandContext): Found {
  if (source.fieldRef !== undefined) return podField(pod, source.fieldRef.fieldPath, context);
  const kind = source.configMapKeyRef === undefined ? "Secret" : "ConfigMap";
  const reference = source.configMapKeyRef ?? source.secretKeyRef;
  if (reference === undefined) return { problem: "this source of a value is not supported here" };
  const data = context.data(kind, reference.name);
  const value = own(data, reference.key);
  if (value !== undefined || reference.optional === true) return { value };
  return {
    problem:
      data === undefined
        ? `${kind.toLowerCase()} "${reference.name}" not found`
        : `couldn't find key ${reference.key} in ${kind} ${pod.metadata.namespace}/${reference.name}`,
  };
}

function podField(pod: Pod, path: string, context: CommandContext): Found {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === "labels" ? pod.metadata.labels : pod.metadata.annotations;
    return { value: map[keyed[2] ?? ""] ?? "" };
  }
  switch (path) {
    case "metadata.name":
      return { value: pod.metadata.name };
    case "metadata.namespace":
      return { value: pod.metadata.namespace };
    case "metadata.uid":
      return { value: pod.metadata.uid };
    case "spec.nodeName":
      return { value: pod.spec.nodeName ?? "" };
    case "spec.serviceAccountName":
      return { value: serviceAccountOf(pod) };
    case "status.podIP":
    case "status.podIPs":
      return { value: context.podIp };
    case "status.hostIP":
      return { value: context.hostIp };
    default:
      return { problem: `fieldPath ${path} is not supported` };
  }
}

export function serviceAccountOf(pod: Pod): string {
  return pod.spec.serviceAccountName || pod.spec.serviceAccount || "default";
}

function wrong(reason: string, message: string): CommandResult {
  return { ok: false, reason, message };
}
