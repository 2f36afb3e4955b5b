/** `lateen kube-inject -f FILE`: sidecars into workloads before they are applied. */
import { writeFile } from "node:fs/promises";
import {
  booleanFlag,
  type Command,
  type Invocation,
  stringFlag,
  UserError,
} from "../cli/command.ts";
import type { CliContext } from "../cli/context.ts";
import { without, xdsFlags } from "../cli/istioctl-flags.ts";
import { featuresOf } from "../inject/cluster-features.ts";
import { readInjectorConfig } from "../inject/config.ts";
import { injectYaml } from "../inject/yaml-injection.ts";
import { unknownValues } from "../install/known-paths.ts";
import { configTexts as operatorConfigTexts } from "../install/render-config.ts";
import { isObject, objectAt, stringAt } from "../sources/json.ts";
import { askedInstallation, printWarnings } from "./install-input.ts";

const SYSTEM = "istio-system";
const NO_WEBHOOK =
  "pods are injected here, with the configuration of files or of the cluster's ConfigMaps, and no " +
  "webhook is asked";

export const kubeInjectCommand: Command = {
  name: "kube-inject",
  summary: "Injects sidecars into workloads of a file",
  description:
    "Adds the sidecar to every pod, and pod template, of the file, and prints the result. Everything\n" +
    "else stays as it is written. The configuration is that of the cluster, or that of files:\n" +
    "--injectConfigFile, --valuesFile and --meshConfigFile hold what the keys config and values of\n" +
    "ConfigMap istio-sidecar-injector, and mesh of ConfigMap istio, hold.",
  flags: [
    {
      name: "filename",
      short: "f",
      kind: "string",
      description: "File with workloads; - is standard input",
    },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "File to write; default standard output",
    },
    {
      name: "injectConfigFile",
      kind: "string",
      description: "File with the injector's configuration",
    },
    { name: "valuesFile", kind: "string", description: "File with the injector's values" },
    { name: "meshConfigFile", kind: "string", description: "File with MeshConfig" },
    {
      name: "operatorFileName",
      kind: "string",
      description: "File with IstioOperator objects: what they install is the configuration",
    },
    {
      name: "injectConfigMapName",
      kind: "string",
      description: "ConfigMap with configuration and values",
      hidden: true,
    },
    {
      name: "meshConfigMapName",
      kind: "string",
      description: "ConfigMap with MeshConfig",
      default: "istio",
      hidden: true,
    },
    { name: "revision", short: "r", kind: "string", description: "Control-plane revision" },
    {
      name: "istioNamespace",
      short: "i",
      kind: "string",
      description: "Namespace of the control plane",
      default: SYSTEM,
    },
    {
      name: "older",
      kind: "boolean",
      description: "For clusters without native sidecars (before Kubernetes 1.29)",
    },
    without({ name: "webhookConfig", kind: "string" }, NO_WEBHOOK),
    ...xdsFlags(NO_WEBHOOK),
  ],
  examples: [
    "lateen kube-inject -f app.yaml | kubectl apply -f -",
    "lateen kube-inject -f app.yaml | kubectl apply -n shop -f -",
    "lateen kube-inject -f app.yaml --injectConfigFile config.yaml --valuesFile values.json",
  ],
  async run(ctx, call) {
    const file = stringFlag(call, "filename");
    if (file === undefined)
      throw new UserError(
        "kube-inject needs a file",
        "lateen kube-inject -f FILE, or - for standard input",
      );
    const text = file === "-" ? await ctx.readStdin() : await ctx.readFile(file);
    const read = readInjectorConfig(await configTexts(ctx, call));
    warn(
      ctx,
      read.diagnostics.filter(({ severity }) => severity === "warning"),
    );
    if (!read.ok) throw new UserError(lines(read.diagnostics));
    warn(ctx, unknownValues(read.value.rawValues));
    const revision = stringFlag(call, "revision") ?? read.value.revision;
    const config = { ...read.value, revision };
    const features = await clusterFeatures(ctx, call);
    const namespace = stringFlag(call, "namespace") ?? "";
    const injected = injectYaml(text, { config, features, version: ctx.version, namespace });
    warn(
      ctx,
      injected.diagnostics.filter(({ severity }) => severity === "warning"),
    );
    if (!injected.ok) throw new UserError(lines(injected.diagnostics));
    const output = stringFlag(call, "output");
    if (output === undefined) ctx.stdout.write(injected.value);
    else await writeFile(output, injected.value);
    return 0;
  },
};

type Problems = readonly {
  readonly severity: "error" | "warning";
  readonly path: string;
  readonly message: string;
}[];

function lines(problems: Problems): string {
  return problems
    .filter(({ severity }) => severity === "error")
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    .join("\n");
}

function warn(ctx: CliContext, problems: Problems): void {
  for (const { path, message } of problems) ctx.stderr.write(`Warning: ${path}: ${message}\n`);
}

/** Files where they are given; what is left comes from the cluster, if no file is given at all. */
async function configTexts(ctx: CliContext, call: Invocation) {
  const file = async (flag: string): Promise<string | undefined> => {
    const path = stringFlag(call, flag);
    return path === undefined ? undefined : await ctx.readFile(path);
  };
  const texts = {
    config: await file("injectConfigFile"),
    values: await file("valuesFile"),
    mesh: await file("meshConfigFile"),
  };
  const operator = stringFlag(call, "operatorFileName");
  // As istioctl: it goes before the other files.
  if (operator !== undefined) return operatorTexts(ctx, call, operator);
  const { config, values, mesh } = texts;
  if (config !== undefined) return { config, values: values ?? "", mesh: mesh ?? "" };
  const revision = stringFlag(call, "revision");
  const suffix = revision === undefined || revision === "default" ? "" : `-${revision}`;
  const injector = stringFlag(call, "injectConfigMapName") ?? `istio-sidecar-injector${suffix}`;
  const found = await configMap(ctx, call, injector);
  const meshMap = `${stringFlag(call, "meshConfigMapName") ?? "istio"}${suffix}`;
  return {
    config: stringAt(found, "config"),
    values: values ?? stringAt(found, "values"),
    mesh: mesh ?? stringAt(await configMap(ctx, call, meshMap), "mesh"),
  };
}

async function operatorTexts(ctx: CliContext, call: Invocation, file: string) {
  const flags = { ...call.flags, filename: [file], set: [] };
  const { installation, warnings } = await askedInstallation(ctx, { ...call, flags });
  printWarnings(ctx, warnings);
  return operatorConfigTexts(installation);
}

async function configMap(ctx: CliContext, call: Invocation, name: string) {
  const mesh = await ctx.mesh();
  const namespace = stringFlag(call, "istioNamespace") ?? SYSTEM;
  const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
  const { status, body } = await mesh.api({ method: "GET", path });
  const object = body as Parameters<typeof isObject>[0];
  if (status === 200 && isObject(object)) return objectAt(object, "data");
  throw new UserError(
    `ConfigMap ${name} in namespace ${namespace} can not be read (status ${status})`,
    "give --injectConfigFile, or -i with the control plane's namespace",
  );
}

/** Of the cluster that is asked for its configuration; without one, today's. */
async function clusterFeatures(ctx: CliContext, call: Invocation) {
  if (booleanFlag(call, "older")) return { nativeSidecars: false, sleepAction: false };
  const today = { major: "1", minor: "33" };
  const files = ["injectConfigFile", "operatorFileName"];
  if (files.some(name => stringFlag(call, name) !== undefined)) return featuresOf(today);
  const mesh = await ctx.mesh();
  const { body } = await mesh.api({ method: "GET", path: "/version" });
  const version = body as Parameters<typeof isObject>[0];
  if (!isObject(version)) return featuresOf(today);
  return featuresOf({ major: stringAt(version, "major"), minor: stringAt(version, "minor") });
}
