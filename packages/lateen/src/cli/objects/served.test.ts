import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../command.ts";
import type { MeshAccess } from "../context.ts";
import { Resources, resourcePath } from "./discover.ts";

const kind = (name: string, singular: string) => ({
  name: `${singular}s`,
  singularName: singular,
  namespaced: true,
  kind: name,
});
const lists: Readonly<Record<string, readonly ReturnType<typeof kind>[]>> = {
  "/api/v1": [kind("Service", "service")],
  "/apis/networking.istio.io/v1": [kind("Gateway", "gateway")],
  "/apis/networking.istio.io/v1beta1": [
    kind("Gateway", "gateway"),
    kind("ProxyConfig", "proxyconfig"),
  ],
  "/apis/networking.istio.io/v1alpha3": [
    kind("EnvoyFilter", "envoyfilter"),
    kind("Gateway", "gateway"),
  ],
};
const version = (version: string) => ({ groupVersion: `networking.istio.io/${version}`, version });
const groups = [
  {
    name: "networking.istio.io",
    preferredVersion: version("v1"),
    versions: [version("v1"), version("v1beta1"), version("v1alpha3")],
  },
  { name: "down.example.com", preferredVersion: version("v1"), versions: [version("v1")] },
];

/** An API server from before aggregated discovery, of which one group's own server is down. */
function olderServer(asked: string[]): MeshAccess["api"] {
  return ({ path }) => {
    asked.push(path);
    const resources = lists[path];
    if (path === "/apis") return answer(200, { kind: "APIGroupList", groups });
    if (path === "/api") return answer(200, { kind: "APIVersions", versions: ["v1"] });
    return resources === undefined ? answer(503, { message: "down" }) : answer(200, { resources });
  };
}

/** One of today, which says all in two answers. */
function todaysServer(asked: string[]): MeshAccess["api"] {
  const resourcesOf = (path: string) =>
    lists[path]?.map(({ name, singularName, kind }) => ({
      resource: name,
      singularResource: singularName,
      scope: "Namespaced",
      responseKind: { kind },
    }));
  return ({ path }) => {
    asked.push(path);
    const core = { version: "v1", freshness: "Current", resources: resourcesOf("/api/v1") };
    const items = groups.map(({ name, versions }) => ({
      metadata: { name },
      versions: versions.map(({ version }) => {
        const resources = resourcesOf(`/apis/${name}/${version}`);
        return { version, freshness: resources === undefined ? "Stale" : "Current", resources };
      }),
    }));
    return answer(200, {
      kind: "APIGroupDiscoveryList",
      items: path === "/api" ? [{ metadata: {}, versions: [core] }] : items,
    });
  };
}

function answer(status: number, body: unknown): ReturnType<MeshAccess["api"]> {
  return Promise.resolve({ status, body, warnings: [] });
}

for (const [name, server, requests] of [
  ["older", olderServer, 8],
  ["today's", todaysServer, 2],
] as const) {
  test(`kinds of every served version are found: ${name} API server`, async () => {
    const asked: string[] = [];
    const resources = new Resources({ api: server(asked) } as unknown as MeshAccess);
    const at = async (apiVersion: string, kind: string) =>
      resourcePath(await resources.byKind(apiVersion, kind), "shop");
    const group = "/apis/networking.istio.io";
    assert.equal(
      await at("networking.istio.io/v1alpha3", "EnvoyFilter"),
      `${group}/v1alpha3/namespaces/shop/envoyfilters`,
    );
    assert.equal(
      await at("networking.istio.io/v1beta1", "ProxyConfig"),
      `${group}/v1beta1/namespaces/shop/proxyconfigs`,
    );
    assert.equal(
      await at("networking.istio.io/v1beta1", "Gateway"),
      `${group}/v1beta1/namespaces/shop/gateways`,
    );
    const versions = async (word: string) => (await resources.byWord(word)).version;
    assert.equal(await versions("envoyfilter"), "v1alpha3");
    assert.equal(await versions("proxyconfigs.networking.istio.io"), "v1beta1");
    assert.equal(await versions("gateway"), "v1");
    assert.equal(await versions("gateways.v1alpha3.networking.istio.io"), "v1alpha3");
    assert.deepEqual(await resources.plurals(), [
      "services",
      "gateways",
      "proxyconfigs",
      "envoyfilters",
    ]);
    assert.equal(asked.length, requests, "each is asked once");
  });

  test(`what is served in another version, or by a silent server, says so: ${name} API server`, async () => {
    const resources = new Resources({ api: server([]) } as unknown as MeshAccess);
    const hintOf = (wanted: Promise<unknown>): Promise<string | undefined> =>
      wanted.then(
        () => undefined,
        (error: unknown) => (error instanceof UserError ? error.hint : String(error)),
      );
    assert.equal(
      await hintOf(resources.byKind("networking.istio.io/v1", "EnvoyFilter")),
      "it is served in networking.istio.io/v1alpha3",
    );
    assert.equal(
      await hintOf(resources.byKind("down.example.com/v1", "Thing")),
      "these do not answer: down.example.com/v1",
    );
    assert.equal(
      await hintOf(resources.byWord("x-y-z-things")),
      "these do not answer: down.example.com/v1",
    );
  });
}
