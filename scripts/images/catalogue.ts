/** Which images there are. */
import { join } from "node:path";
import { file } from "./entries.ts";
import { type BuildContext, baseLayer, hashOf, networkLayer, toolsLayer } from "./layer-sources.ts";
import type { LayerSource } from "./layers.ts";
import type { ImageConfig } from "./oci.ts";
import { envoyLayer, lateenLayer, nodeLayer } from "./program-layers.ts";

export interface ImageDefinition {
  readonly id: string;
  /** One to publish; the others stand in, on test clusters, for images that can not be pulled there. */
  readonly release: boolean;
  readonly names: (hub: string, tag: string) => readonly string[];
  readonly config: ImageConfig;
  readonly layers: (context: BuildContext) => Promise<LayerSource[]>;
}

const samples = join(import.meta.dirname, "../../samples");

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

/** A shell and curl, as the image that Istio's sample `sleep` uses. */
const curl: ImageDefinition = {
  id: "curl",
  release: false,
  names: () => ["latest", "8.16.0"].map(tag => `docker.io/curlimages/curl:${tag}`),
  config: { command: ["curl"], user: "100:101" },
  layers: async context => [await baseLayer(context), await toolsLayer(context)],
};

function demoapp(version: string): ImageDefinition {
  return {
    id: `demoapp-${version}`,
    release: false,
    names: () => [`docker.io/ikubernetes/demoapp:${version}`],
    config: {
      entrypoint: ["/usr/local/bin/node", "/app/server.mjs"],
      environment: { PORT: "80", HOST: "0.0.0.0", VERSION: version },
      ports: [80],
    },
    layers: async context => [
      await baseLayer(context),
      await toolsLayer(context),
      await nodeLayer(context),
      sampleLayer("demoapp", ["server.mjs", "client.mjs"]),
    ],
  };
}

export const CATALOGUE: readonly ImageDefinition[] = [
  pilot,
  proxy,
  curl,
  demoapp("v1.0"),
  demoapp("v1.1"),
];

function sampleLayer(name: string, files: readonly string[]): LayerSource {
  const folder = join(samples, name);
  return {
    comment: `sample ${name}`,
    key: hashOf(folder, files),
    entries: () => files.map(each => file(`app/${each}`, join(folder, each))),
    parts: [],
  };
}
