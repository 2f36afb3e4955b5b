/** What a release folder holds. */
import { join } from "node:path";
import { stringify } from "yaml";
import { operatorOf, resolveInstallation } from "../../packages/lateen/src/install/operator.ts";
import { PROFILES } from "../../packages/lateen/src/install/profiles.ts";
import { ENVOY_VERSION } from "../../packages/lateen/src/local/envoy-binary.ts";
import { CHARTS, chartFiles, type Images } from "../charts/all.ts";
import { VERSION } from "../images/build.ts";
import { file, link, text, tree } from "../images/entries.ts";
import type { BuildContext } from "../images/layer-sources.ts";
import { lateenLayer, nodeLayer } from "../images/program-layers.ts";
import type { TarEntry } from "../images/tar.ts";

const root = join(import.meta.dirname, "../..");
/** Where the layers of images have them, and where a release has them. */
const MOVED: readonly (readonly [from: string, to: string])[] = [
  ["app/", "lib/"],
  ["usr/local/bin/node", "lib/node"],
  ["usr/share/doc/node/copyright", "lib/node.LICENSE"],
];
/** Links of their own are made by whoever unpacks it, so the program looks where it really is. */
const LAUNCHER = `#!/bin/sh
# Put this folder on PATH, or link to this file from a folder that is.
here=$(dirname -- "$(readlink -f -- "$0")")
lib=$here/../lib
if [ ! -x "$lib/node" ]; then
  echo "$(basename -- "$0"): $0 is a copy, without the rest of the release beside it; make a link instead (ln -s)" >&2
  exit 1
fi
exec "$lib/node" "$lib/packages/lateen/bin/lateen.mjs" "$@"
`;

/** `lateen-VERSION`: the program with its Node, profiles, charts and samples. */
export async function releaseEntries(context: BuildContext, images: Images): Promise<TarEntry[]> {
  const program = lateenLayer();
  const layers = [...(await nodeLayer(context)).entries(), ...program.entries()];
  return [
    text("bin/lateen", LAUNCHER, 0o755),
    link("bin/istioctl", "lateen"),
    file("LICENSE", join(root, "LICENSE")),
    text("manifest.yaml", manifest(images)),
    ...profiles(images),
    ...charts(images),
    ...tree("samples", join(root, "samples")),
    // The local mesh finds them where a checkout has them.
    link("lib/samples", "../samples"),
    ...layers.flatMap(moved),
  ];
}

/** The folder's name, e.g. `lateen-0.1.0`. */
export function releaseName(): string {
  return `lateen-${VERSION}`;
}

/** Those of the checkout, but for the images that their values name. */
function charts(images: Images): TarEntry[] {
  const made = chartFiles(images);
  return tree("manifests/charts", join(root, CHARTS)).map(entry => {
    const content = made.get(entry.path.slice("manifests/charts/".length));
    return content === undefined ? entry : text(entry.path, content);
  });
}

function moved(entry: TarEntry): TarEntry[] {
  for (const [from, to] of MOVED)
    if (entry.path.startsWith(from))
      return [{ ...entry, path: to + entry.path.slice(from.length) }];
  return [];
}

function manifest({ hub, tag }: Images): string {
  return stringify({ version: VERSION, docker: { hub, tag }, envoy: ENVOY_VERSION });
}

/** As `profile dump` prints them, to read and to change: `install -f manifests/profiles/demo.yaml`. */
function profiles({ hub, tag }: Images): TarEntry[] {
  return PROFILES.map(name => {
    const sets = [`profile=${name}`, `hub=${hub}`, `tag=${tag}`];
    const resolved = resolveInstallation({ operators: [], sets, version: VERSION });
    if (!resolved.ok) throw new Error(`profile ${name}: ${JSON.stringify(resolved.diagnostics)}`);
    return text(`manifests/profiles/${name}.yaml`, stringify(operatorOf(resolved.value.spec)));
  });
}
