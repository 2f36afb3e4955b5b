/** `lateen version`: features rows 1 and 2. */
import { booleanFlag, type Command, REVISION_FLAG, stringFlag, UserError } from "../command.ts";
import type { CliContext } from "../context.ts";
import { renderObject } from "../printers/object.ts";
import { parseSyncz } from "../printers/status.ts";

interface Versions {
  readonly client: string;
  readonly controlPlane: readonly string[];
  /** Version -> number of proxies. */
  readonly dataPlane: ReadonlyMap<string, number>;
}

export const versionCommand: Command = {
  name: "version",
  summary: "Shows the versions of client, control plane and proxies",
  flags: [
    {
      name: "short",
      short: "s",
      kind: "boolean",
      description: "Short form: a version says everything",
      default: true,
    },
    { name: "remote", kind: "boolean", description: "Ask the mesh too", default: true },
    {
      name: "output",
      short: "o",
      kind: "string",
      description: "Output format",
      values: ["json", "yaml"],
    },
    REVISION_FLAG,
  ],
  examples: [
    "lateen version",
    "lateen version --remote=false",
    "lateen version -o json",
    "lateen version -r canary",
  ],
  async run(ctx, call) {
    const format = stringFlag(call, "output");
    const asked = booleanFlag(call, "remote");
    const versions = asked ? await askMesh(ctx, format !== undefined) : undefined;
    if (format !== undefined) {
      const value = {
        clientVersion: { version: ctx.version },
        ...(versions === undefined
          ? {}
          : {
              meshVersion: versions.controlPlane.map(version => ({ Info: { version } })),
              dataPlaneVersion: [...versions.dataPlane].map(([version, proxies]) => ({
                version,
                proxies,
              })),
            }),
      };
      ctx.stdout.write(await renderObject(value, format));
      return 0;
    }
    if (versions === undefined) {
      ctx.stdout.write(`${ctx.version}\n`);
      return 0;
    }
    const proxies = [...versions.dataPlane].map(
      ([v, count]) => `${v} (${count} ${count === 1 ? "proxy" : "proxies"})`,
    );
    ctx.stdout.write(`client version: ${ctx.version}\n`);
    ctx.stdout.write(`control plane version: ${versions.controlPlane.join(", ")}\n`);
    ctx.stdout.write(`data plane version: ${proxies.length === 0 ? "none" : proxies.join(", ")}\n`);
    return 0;
  },
};

async function askMesh(ctx: CliContext, asDocument: boolean): Promise<Versions | undefined> {
  try {
    const mesh = await ctx.mesh();
    const info = await mesh.discoveryDebug("/version");
    const syncz = await mesh.discoveryDebug("/debug/syncz");
    const dataPlane = new Map<string, number>();
    for (const { status } of parseSyncz(syncz)) {
      // One that is not connected says no version.
      if (status.istio_version === "") continue;
      dataPlane.set(status.istio_version, (dataPlane.get(status.istio_version) ?? 0) + 1);
    }
    const controlPlane = [
      ...new Set([...info.values()].map(text => (JSON.parse(text) as { version: string }).version)),
    ];
    return { client: ctx.version, controlPlane, dataPlane };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // As istioctl: the reason, then the bare version. A document on standard output stays one.
    const out = asDocument ? ctx.stderr : ctx.stdout;
    out.write(`${error.message}\n`);
    if (error.hint !== undefined) ctx.stderr.write(`${error.hint}\n`);
    return undefined;
  }
}
