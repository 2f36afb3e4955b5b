/** `lateen apply -f`: kubectl's client-side apply, with the same words in its answers (row 40). */
import {
  booleanFlag,
  type Command,
  type Flag,
  type Invocation,
  listFlag,
  stringFlag,
  UserError,
} from "../command.ts";
import type { ApiAnswer, CliContext, MeshAccess } from "../context.ts";
import {
  apiError,
  displayName,
  type Resource,
  Resources,
  resourcePath,
} from "../objects/discover.ts";
import { type Manifest, RECURSIVE_FLAG, readEachFile } from "../objects/manifests.ts";
import { LAST_APPLIED, threeWayPatch } from "../objects/three-way.ts";
import { type Applied, tellFindings } from "./apply-findings.ts";

/** @param install carries out IstioOperator files: for these `apply` is another word for install */
export function applyCommand(install?: Command["run"]): Command {
  return {
    name: "apply",
    summary: "Creates or changes objects from files",
    description:
      "Creates or changes objects from files. Files with an IstioOperator are installed into the\n" +
      "Kubernetes cluster of the kubeconfig, as 'lateen install -f FILE' does.",
    flags: APPLY_FLAGS,
    positionals: [],
    examples: ["lateen apply -f samples/demoapp/", "cat gateway.yaml | lateen apply -f -"],
    run: (ctx, call) => runApply(ctx, call, install),
  };
}

const APPLY_FLAGS: readonly Flag[] = [
  {
    name: "filename",
    short: "f",
    kind: "list",
    description: "Files with objects (YAML or JSON); - is standard input",
  },
  RECURSIVE_FLAG,
  {
    name: "dry-run",
    kind: "string",
    description: "Change nothing: server asks the API server what it would answer, client does not",
    values: ["none", "client", "server"],
    default: "none",
  },
  { name: "yes", short: "y", kind: "boolean", description: "Ask nothing", hidden: true },
  { name: "set", kind: "texts", description: "PATH=VALUE for an IstioOperator", hidden: true },
  { name: "revision", kind: "string", description: "Control-plane revision", hidden: true },
];

async function runApply(
  ctx: CliContext,
  call: Invocation,
  install: Command["run"],
): Promise<number> {
  const files = listFlag(call, "filename");
  if (files.length === 0)
    throw new UserError(
      "apply needs files",
      "lateen apply -f FILE, a folder, or - for standard input",
    );
  const stdin = files.includes("-") ? await ctx.readStdin() : "";
  const read = { ...ctx, readStdin: () => Promise.resolve(stdin) };
  const { manifests, problems } = await readEachFile(read, files, booleanFlag(call, "recursive"));
  const operators = manifests.filter(({ manifest }) => manifest.kind === "IstioOperator");
  if (operators.length > 0 && install !== undefined) {
    if (problems.length > 0) throw new UserError(problems.join("\n"));
    const other = manifests.find(({ manifest }) => manifest.kind !== "IstioOperator");
    if (other !== undefined)
      throw new UserError(
        `${other.origin}: ${other.manifest.kind} stands beside an IstioOperator: apply them apart`,
      );
    const flags = { ...call.flags, "skip-confirmation": booleanFlag(call, "yes") };
    return install(read, { ...call, flags });
  }
  for (const problem of problems) ctx.stderr.write(`${problem}\n`);
  if (manifests.length === 0) return 1;
  const mesh = await ctx.mesh();
  const resources = new Resources(mesh);
  const trial = TRIALS[stringFlag(call, "dry-run") ?? "none"];
  let failures = problems.length;
  const applied: Applied[] = [];
  for (const { manifest, origin } of manifests) {
    try {
      const namespace =
        manifest.metadata.namespace ?? stringFlag(call, "namespace") ?? ctx.namespace;
      applied.push(await applyOne(ctx, { mesh, resources, trial }, manifest, namespace));
    } catch (error) {
      // One broken object does not keep the others of the same file out.
      if (!(error instanceof UserError)) throw error;
      ctx.stderr.write(`${origin}: ${manifest.kind} ${manifest.metadata.name}: ${error.message}\n`);
      if (error.hint !== undefined) ctx.stderr.write(`${error.hint}\n`);
      failures++;
    }
  }
  if (trial === undefined) await tellFindings(ctx, mesh, applied);
  return failures === 0 ? 0 : 1;
}

/** What is printed behind each line where nothing is to be changed, and the query that says so. */
interface Trial {
  readonly words: string;
  /** undefined: nothing is sent at all. */
  readonly query: string | undefined;
}

const TRIALS: Readonly<Record<string, Trial>> = {
  client: { words: " (dry run)", query: undefined },
  server: { words: " (server dry run)", query: "&dryRun=All" },
};

interface Target {
  readonly mesh: MeshAccess;
  readonly resources: Resources;
  readonly trial: Trial | undefined;
}

async function applyOne(
  ctx: CliContext,
  { mesh, resources, trial }: Target,
  manifest: Manifest,
  namespace: string,
): Promise<Applied> {
  const { words, query } = trial ?? { words: "", query: "" };
  const resource = await resources.byKind(manifest.apiVersion, manifest.kind);
  const name = manifest.metadata.name;
  if (name === undefined) throw new UserError("apply needs metadata.name");
  const wanted = withLastApplied(manifest, resource, namespace);
  const path = resourcePath(resource, namespace, name);
  const live = await mesh.api({ method: "GET", path });
  const done = (unchanged: boolean, warned: readonly string[] = []): Applied => {
    return { resource, namespace, name, unchanged, warned };
  };
  const told = (what: string): string => `${displayName(resource, name)} ${what}${words}`;
  if (live.status === 404) {
    if (query === undefined) {
      ctx.stdout.write(`${told("created")}\n`);
      return done(false);
    }
    const answer = await mesh.api({
      method: "POST",
      path: `${resourcePath(resource, namespace)}?fieldValidation=Strict${query}`,
      body: wanted,
      contentType: "application/json",
    });
    report(ctx, answer, displayName(resource, name), told("created"));
    return done(false, answer.warnings);
  }
  if (live.status !== 200) throw apiError(live.body, live.status);
  const patch = threeWayPatch(lastApplied(live.body), wanted, live.body, {
    defaulted: isBuiltIn(resource),
  });
  if (patch === undefined) {
    ctx.stdout.write(`${told("unchanged")}\n`);
    return done(true);
  }
  if (query === undefined) {
    ctx.stdout.write(`${told("configured")}\n`);
    return done(false);
  }
  const answer = await mesh.api({
    method: "PATCH",
    path: `${path}?fieldValidation=Strict${query}`,
    body: patch,
    contentType: "application/merge-patch+json",
  });
  // What the server fills in may look like a change and be none.
  const same = versionOf(answer.body) !== "" && versionOf(answer.body) === versionOf(live.body);
  const unchanged = same && trial === undefined;
  report(ctx, answer, displayName(resource, name), told(unchanged ? "unchanged" : "configured"));
  return done(unchanged, answer.warnings);
}

function versionOf(object: unknown): string {
  return String(record(record(object)["metadata"])["resourceVersion"] ?? "");
}

function isBuiltIn({ group }: Resource): boolean {
  return !group.includes(".") || group.endsWith(".k8s.io");
}

/** Of a file of many, each warning names its object. */
function report(ctx: CliContext, answer: ApiAnswer, name: string, text: string): void {
  for (const warning of answer.warnings) ctx.stderr.write(`Warning: ${name}: ${warning}\n`);
  if (answer.status >= 300) throw apiError(answer.body, answer.status);
  ctx.stdout.write(`${text}\n`);
}

function withLastApplied(manifest: Manifest, resource: Resource, namespace: string): Manifest {
  const annotations = { ...record(manifest.metadata["annotations"]) };
  delete annotations[LAST_APPLIED];
  const { creationTimestamp, ...own } = manifest.metadata;
  const metadata = {
    ...own,
    // Generators write null there, which says nothing.
    ...((creationTimestamp ?? null) === null ? {} : { creationTimestamp }),
    ...(resource.namespaced ? { namespace } : {}),
  };
  const plain = { ...manifest, metadata: { ...metadata, annotations } };
  const kept = JSON.stringify(plain);
  return {
    ...plain,
    metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: `${kept}\n` } },
  };
}

function lastApplied(live: unknown): unknown {
  const metadata = record(record(live)["metadata"]);
  const text = record(metadata["annotations"])[LAST_APPLIED];
  if (typeof text !== "string") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Written by somebody else; without it nothing is removed, which is the safe side.
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
