/** Which images there are. */
import { type BuildContext, baseLayer, networkLayer, toolsLayer } from "./layer-sources.ts";
import type { LayerSource } from "./layers.ts";
import type { ImageConfig } from "./oci.ts";
import { envoyLayer, lateenLayer, nodeLayer } from "./program-layers.ts";
import { STAND_INS } from "./stand-ins.ts";

export interface ImageDefinition {
  readonly id: string;
  /** One to publish; the others stand in, on test clusters, for images that can not be pulled there. */
  readonly release: boolean;
  readonly names: (hub: string, tag: string) => readonly string[];
  readonly config: ImageConfig;
  readonly layers: (context: BuildContext) => Promise<LayerSource[]>;
}

const pilot: ImageDefinition = {
  id: "pilot",
  release: true,
  names: (hub, tag) => [`${hub}/pilot:${tag}`],
  config: {
    entrypoint: ["/usr/local/bin/lateen"],
    command: ["discovery"],
    environment: { NODE_ENV: "production" },
    user: "1337:1337",
  },
  layers: async context => [await baseLayer(context), await nodeLayer(context), lateenLayer()],
};

const proxy: ImageDefinition = {
  id: "proxyv2",
  release: true,
  names: (hub, tag) => [`${hub}/proxyv2:${tag}`],
  config: { entrypoint: ["/usr/local/bin/envoy"], user: "1337:1337" },
  layers: async context => [
    await baseLayer(context),
    await toolsLayer(context),
    await networkLayer(context),
    await envoyLayer(context),
  ],
};

export const CATALOGUE: readonly ImageDefinition[] = [pilot, proxy, ...STAND_INS];
