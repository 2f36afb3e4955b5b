/**
 * Images that can not be pulled on test machines: under the names that samples and tutorials have, made
 * of a shell, curl, Node and a small program. Never published.
 */
import { join } from "node:path";
import type { ImageDefinition } from "./catalogue.ts";
import { file, text } from "./entries.ts";
import { type BuildContext, baseLayer, hashOf, toolsLayer } from "./layer-sources.ts";
import type { LayerSource } from "./layers.ts";
import type { ImageConfig } from "./oci.ts";
import { nodeLayer } from "./program-layers.ts";

const ISTIO = "registry.istio.io/release";
const NODE = "/usr/local/bin/node";
const programs = join(import.meta.dirname, "../../samples/stand-ins");
const demoappFolder = join(import.meta.dirname, "../../samples/demoapp");

/** A shell and curl, as the image that Istio's sample `sleep` uses. */
const curl: ImageDefinition = {
  id: "curl",
  release: false,
  names: () => ["latest", "8.16.0"].map(tag => `docker.io/curlimages/curl:${tag}`),
  config: { command: ["curl"], user: "100:101" },
  layers: async context => [await baseLayer(context), await toolsLayer(context)],
};

function demoapp(version: string): ImageDefinition {
  const layer = programLayer("demoapp", demoappFolder, ["server.mjs", "client.mjs"]);
  return nodeImage(`demoapp-${version}`, `docker.io/ikubernetes/demoapp:${version}`, layer, {
    entrypoint: [NODE, "/app/server.mjs"],
    // In a cluster callers only learn that a pod goes when SIGTERM comes.
    environment: { PORT: "80", HOST: "0.0.0.0", VERSION: version, LINGER_MS: "3000" },
    ports: [80],
  });
}

/** A program of the folder `samples/stand-ins`, as an application of Istio's samples. */
function application(
  program: string,
  id: string,
  name: string,
  environment: Readonly<Record<string, string>> = {},
): ImageDefinition {
  const layer = programLayer(program, programs, [`${program}.mjs`, "listen.mjs"]);
  const entrypoint = [NODE, `/app/${program}.mjs`];
  return nodeImage(id, name, layer, { entrypoint, environment, user: "1000:1000" });
}

function helloworld(version: string): ImageDefinition {
  const name = `examples-helloworld-${version}`;
  const environment = { VERSION: version };
  return application("helloworld", `helloworld-${version}`, `${ISTIO}/${name}:1.0`, environment);
}

function bookinfo(service: string, version: string): ImageDefinition {
  const id = `bookinfo-${service}-${version}`;
  const environment = { SERVICE: service, VERSION: version };
  return application("bookinfo", id, `${ISTIO}/examples-${id}:1.20.3`, environment);
}

/** One of samples/addons: it has the program's ports, and nothing else of it. */
function addon(name: string, image: string): ImageDefinition {
  const layer = programLayer("addon", programs, ["addon.mjs", "listen.mjs"]);
  // Kiali is started by this path; the others by their entry points.
  const kiali = text("opt/kiali/kiali", `#!/bin/sh\nexec ${NODE} /app/addon.mjs\n`, 0o755);
  const entries = () => [...layer.entries(), kiali];
  const key = `${layer.key} ${kiali.path}`;
  return nodeImage(
    `addon-${name}`,
    image,
    { ...layer, key, entries },
    { entrypoint: [NODE, "/app/addon.mjs"], environment: { ADDON: name }, user: "1000:1000" },
  );
}

function nodeImage(
  id: string,
  name: string,
  program: LayerSource,
  config: ImageConfig,
): ImageDefinition {
  const layers = async (context: BuildContext): Promise<LayerSource[]> => [
    await baseLayer(context),
    await toolsLayer(context),
    await nodeLayer(context),
    program,
  ];
  return { id, release: false, names: () => [name], config, layers };
}

function programLayer(name: string, folder: string, files: readonly string[]): LayerSource {
  return {
    comment: `stand-in ${name}`,
    key: hashOf(folder, files),
    entries: () => files.map(each => file(`app/${each}`, join(folder, each))),
    parts: [],
  };
}

export const STAND_INS: readonly ImageDefinition[] = [
  curl,
  demoapp("v1.0"),
  demoapp("v1.1"),
  application("httpbin", "httpbin", "docker.io/mccutchen/go-httpbin:v2.15.0"),
  helloworld("v1"),
  helloworld("v2"),
  application("tcp-echo", "tcp-echo", `${ISTIO}/tcp-echo-server:1.3`),
  bookinfo("productpage", "v1"),
  bookinfo("details", "v1"),
  bookinfo("ratings", "v1"),
  bookinfo("reviews", "v1"),
  bookinfo("reviews", "v2"),
  bookinfo("reviews", "v3"),
  addon("prometheus", "docker.io/prom/prometheus:v3.7.3"),
  addon(
    "prometheus-config-reloader",
    "ghcr.io/prometheus-operator/prometheus-config-reloader:v0.86.1",
  ),
  addon("grafana", "docker.io/grafana/grafana:12.0.1"),
  addon("jaeger", "docker.io/jaegertracing/jaeger:2.17.0"),
  addon("kiali", "quay.io/kiali/kiali:v2.5"),
  addon("zipkin", "docker.io/openzipkin/zipkin-slim:3.4.0"),
];
