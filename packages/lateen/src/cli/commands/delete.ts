/** `lateen delete`: by type and names, or everything that files name. */
import { booleanFlag, type Command, listFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import { apiError, type Resource, Resources, resourcePath } from "../objects/discover.ts";
import { RECURSIVE_FLAG, readEachFile } from "../objects/manifests.ts";

interface Target {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

export const deleteCommand: Command = {
  name: "delete",
  summary: "Deletes objects",
  positionals: [
    { name: "type", required: false, completes: "kind" },
    { name: "name", required: false, rest: true, completes: "name" },
  ],
  flags: [
    { name: "filename", short: "f", kind: "list", description: "Files that name the objects" },
    RECURSIVE_FLAG,
    { name: "ignore-not-found", kind: "boolean", description: "It is fine if it is gone already" },
  ],
  examples: ["lateen delete vs demoapp", "lateen delete -f gateway.yaml"],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const files = listFlag(call, "filename");
    const found =
      files.length > 0
        ? await fromFiles(ctx, mesh, files, booleanFlag(call, "recursive"))
        : { targets: await fromWords(ctx, mesh, call.args), failures: 0 };
    let { failures } = found;
    for (const target of found.targets) {
      const path = resourcePath(target.resource, target.namespace, target.name);
      const answer = await mesh.api({ method: "DELETE", path });
      if (answer.status === 404 && booleanFlag(call, "ignore-not-found")) continue;
      if (answer.status >= 300) {
        ctx.stderr.write(`${apiError(answer.body, answer.status).message}\n`);
        failures++;
        continue;
      }
      const { group, singular } = target.resource;
      ctx.stdout.write(
        `${group === "" ? singular : `${singular}.${group}`} "${target.name}" deleted\n`,
      );
    }
    return failures === 0 ? 0 : 1;
  },
};

/** An object of a kind that is not served here is told, and does not keep the others. */
async function fromFiles(
  ctx: CliContext,
  mesh: MeshAccess,
  files: readonly string[],
  recursive: boolean,
): Promise<{ readonly targets: readonly Target[]; readonly failures: number }> {
  const resources = new Resources(mesh);
  const targets: Target[] = [];
  const { manifests, problems } = await readEachFile(ctx, files, recursive);
  for (const problem of problems) ctx.stderr.write(`${problem}\n`);
  let failures = problems.length;
  for (const { manifest, origin } of manifests) {
    try {
      targets.push({
        resource: await resources.byKind(manifest.apiVersion, manifest.kind),
        namespace: manifest.metadata.namespace ?? ctx.namespace,
        name: manifest.metadata.name ?? "",
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      ctx.stderr.write(`${origin}: ${error.message}\n`);
      failures++;
    }
  }
  return { targets, failures };
}

async function fromWords(
  ctx: CliContext,
  mesh: MeshAccess,
  args: readonly string[],
): Promise<Target[]> {
  const [type, ...names] = args;
  if (type === undefined)
    throw new UserError("what should go?", "lateen delete TYPE NAME, or -f FILE");
  const resources = new Resources(mesh);
  if (type.includes("/")) {
    return Promise.all(
      args.map(async arg => {
        const slash = arg.indexOf("/");
        const resource = await resources.byWord(arg.slice(0, slash));
        return { resource, namespace: ctx.namespace, name: arg.slice(slash + 1) };
      }),
    );
  }
  if (names.length === 0) throw new UserError(`delete ${type} needs names`);
  const resource = await resources.byWord(type);
  return names.map(name => ({ resource, namespace: ctx.namespace, name }));
}
