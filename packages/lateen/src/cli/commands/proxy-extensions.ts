/** `proxy-config ecds`, `eds` and `rootca-compare`. */
import { type Command, numberFlag, stringFlag, UserError } from "../command.ts";
import type { CliContext, MeshAccess } from "../context.ts";
import { assignmentTable, extensionTable, selectAssignments } from "../printers/extensions.ts";
import { rootCertificates } from "../printers/secrets.ts";
import { dumpOf, readDump, subcommand } from "./proxy-dump.ts";
import { resolvePod } from "./resolve-pod.ts";

export const ecdsCommand = subcommand({
  name: "ecds",
  aliases: ["ec"],
  what: "extensions that came by ECDS",
  message: "envoy.config.core.v3.TypedExtensionConfig",
  flags: [],
  examples: ["lateen pc ecds sleep-6c5f-x2x4z"],
  async table(ctx, call) {
    const { extensions } = (await readDump(ctx, call)).dump;
    return extensions.length === 0 ? "No extension came by ECDS.\n" : extensionTable(extensions);
  },
  async objects(ctx, call) {
    return (await readDump(ctx, call)).dump.extensions;
  },
});

async function assignments(...[ctx, call]: Parameters<typeof readDump>) {
  const { dump } = await readDump(ctx, call, "config_dump?include_eds");
  return selectAssignments(dump.assignments, {
    address: stringFlag(call, "address"),
    port: numberFlag(call, "port"),
    cluster: stringFlag(call, "cluster"),
    status: stringFlag(call, "status"),
  });
}

export const edsCommand = subcommand({
  name: "eds",
  aliases: [],
  what: "endpoints as they came by EDS",
  message: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  flags: [
    { name: "address", kind: "string", description: "Only this address" },
    { name: "port", kind: "number", description: "Only this port" },
    { name: "cluster", kind: "string", description: "Only endpoints of this Envoy cluster" },
    { name: "status", kind: "string", description: "Only endpoints of this health: healthy, ..." },
  ],
  examples: ["lateen pc eds sleep-6c5f-x2x4z --port 8080"],
  async table(ctx, call) {
    return assignmentTable(await assignments(ctx, call));
  },
  objects: assignments,
});

export const rootCaCompareCommand: Command = {
  name: "rootca-compare",
  aliases: ["rc"],
  summary: "Tells whether two proxies trust the same roots",
  description:
    "Compares the ROOTCA of two proxies. Certificates of one are believed by the other where they have a\n" +
    "root in common, as they do while the mesh's root is renewed.",
  positionals: [
    { name: "pod-name[.namespace]", required: true, completes: "proxy" },
    { name: "pod-name[.namespace]", required: true, completes: "proxy" },
  ],
  examples: ["lateen pc rootca-compare sleep-6c5f-x2x4z.default httpbin-7bbc-57j2w.other"],
  async run(ctx, call) {
    const mesh = await ctx.mesh();
    const [first = "", second = ""] = call.args;
    const [a, b] = [await trusted(ctx, mesh, first), await trusted(ctx, mesh, second)];
    const common = a.roots.some(root => b.roots.includes(root));
    const both = `Both [${a.name}] and [${b.name}] have the`;
    if (!common)
      throw new UserError(
        `${both} non identical ROOTCA, theoretically the connectivity between them is unavailable`,
      );
    ctx.stdout.write(
      `${both} identical ROOTCA, theoretically the connectivity between them is available\n`,
    );
    return 0;
  },
};

async function trusted(ctx: CliContext, mesh: MeshAccess, text: string) {
  const pod = await resolvePod(ctx, mesh, text);
  const name = `${pod.name}.${pod.namespace}`;
  const roots = rootCertificates(await dumpOf(mesh, pod));
  if (roots.length > 0) return { name, roots };
  throw new UserError(`the Envoy of ${name} has no ROOTCA`, `lateen pc secret ${name}`);
}
