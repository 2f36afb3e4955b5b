/** The xDS server against a real Envoy, in both forms. */
import assert from "node:assert/strict";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  clusterType,
  endpointType,
  listenerType,
  routeType,
  virtualHostType,
} from "../../src/discovery/type-order.ts";
import type { Connection, Refusal, StreamEvent } from "../../src/discovery/types.ts";
import type { AdsServer } from "../../src/net/ads-server.ts";
import { ENDPOINTS_OVER_ADS } from "../../src/xds/message.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { EnvoyProcess, eventually } from "../support/envoy-process.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import {
  adsBootstrap,
  badListenerBytes,
  badRouteBytes,
  clusterBytes,
  endpointBytes,
  listenerBytes,
  routeBytes,
  vhdsRouteBytes,
  virtualHostBytes,
} from "../support/static-mesh.ts";

type Form = "delta" | "sotw";

/** Two applications that answer with their names. */
const applications = new Map<string, { server: Server; port: number }>();
before(async () => {
  for (const name of ["a", "b"]) {
    const server = createServer((_request, response) => response.end(name));
    await new Promise<void>(done => server.listen(0, "127.0.0.1", done));
    applications.set(name, { server, port: (server.address() as AddressInfo).port });
  }
});
after(() => {
  for (const { server } of applications.values()) {
    server.closeAllConnections();
    server.close();
  }
});

function portOf(application: string): number {
  return applications.get(application)?.port ?? 0;
}

function meshSource(): FakeConfigSource {
  return fill(new FakeConfigSource());
}

function fill(source: FakeConfigSource): FakeConfigSource {
  source.namedOnly.add(endpointType).add(routeType);
  source.commit(edit => {
    edit.set(clusterType, "a", "1", clusterBytes("a"));
    edit.set(endpointType, "a", "1", endpointBytes("a", [portOf("a")]));
    edit.set(listenerType, "main", "1", listenerBytes("main", "r"));
    edit.set(routeType, "r", "1", routeBytes("r", "a"));
  });
  return source;
}

/** Whose endpoints are not built while it is `slow`. */
class SlowEndpoints extends FakeConfigSource {
  slow = false;

  override connect(...args: Parameters<FakeConfigSource["connect"]>): Connection | Refusal {
    const connection = super.connect(...args);
    if ("refused" in connection) return connection;
    const named: Connection["named"] = (type, names) => {
      const set = connection.named(type, names);
      const settle: typeof set.settle = stop => !this.slow && set.settle(stop);
      return type === endpointType ? withOwn(set, { settle }) : set;
    };
    return withOwn(connection, { named });
  }
}

/** `target` with some members of its own. */
function withOwn<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get: (_target, key) => {
      if (key in own) return Reflect.get(own, key);
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

interface World {
  readonly source: FakeConfigSource;
  readonly envoy: EnvoyProcess;
  /** Asks through a listener; status and body. */
  get(host?: string, listener?: string): Promise<string>;
  /** Events of the newest stream. */
  events(): readonly StreamEvent[];
  restartServer(): Promise<void>;
}

async function withEnvoy(
  form: Form,
  source: FakeConfigSource,
  body: (world: World) => Promise<void>,
): Promise<void> {
  let server: AdsServer = newAdsServer(source);
  const port = await server.listenPlaintext({ port: 0 });
  const envoy = await EnvoyProcess.start(adsBootstrap("proxy", port, form));
  try {
    await eventually("Envoy is live", () => envoy.isLive());
    await body({
      source,
      envoy,
      events: () => source.connections.at(-1)?.events ?? [],
      get: async (host = "any", listener = "main") => ask(await envoy.listenerPort(listener), host),
      restartServer: async () => {
        await server.close();
        server = newAdsServer(source);
        await server.listenPlaintext({ port });
      },
    });
  } finally {
    await envoy.stop();
    await server.close();
  }
}

function ask(port: number, host: string): Promise<string> {
  return new Promise((done, fail) => {
    const sent = request({ port, host: "127.0.0.1", headers: { host } }, response => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => done(`${response.statusCode} ${body}`));
    });
    sent.once("error", fail);
    sent.end();
  });
}

function summary(events: readonly StreamEvent[], kind: string): string[] {
  return events
    .filter(event => event.kind === kind)
    .map(event => event.type.slice(event.type.lastIndexOf(".") + 1));
}

const four = ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"];

function inBothForms(name: string, scenario: (form: Form) => Promise<void>): void {
  for (const form of ["delta", "sotw"] as const) test(`${name} (${form})`, () => scenario(form));
}

describe("Envoy", () => {
  inBothForms("one response of each type, and nothing again on reconnect", form =>
    withEnvoy(form, meshSource(), async ({ source, envoy, get, events, restartServer }) => {
      assert.equal(await get(), "200 a");
      assert.deepEqual(summary(events(), "sent"), four);
      await eventually("all acknowledged", () => summary(events(), "acked").length === 4);

      await restartServer();
      await eventually("Envoy is back", () => source.connections.length === 2);
      await eventually("all subscribed", () => summary(events(), "subscribed").length === 4);
      await new Promise(next => setTimeout(next, 300));
      assert.deepEqual(summary(events(), "sent"), []);
      assert.equal(await get(), "200 a");

      source.commit(edit => edit.set(clusterType, "a", "2", clusterBytes("a", 2)));
      await eventually("cluster and endpoints", () => summary(events(), "acked").length === 2);
      assert.deepEqual(summary(events(), "sent"), ["Cluster", "ClusterLoadAssignment"]);
      assert.equal(await envoy.stat("cluster_manager.warming_clusters"), 0);
      assert.equal(await get(), "200 a");
    }),
  );

  inBothForms(
    "a stream that ends between a cluster and its endpoints: they are taken as they were",
    form => {
      const source = new SlowEndpoints();
      fill(source);
      return withEnvoy(form, source, async ({ envoy, get, events, restartServer }) => {
        assert.equal(await get(), "200 a");
        const warming = (): Promise<number> => envoy.stat("cluster_manager.warming_clusters");
        source.slow = true;
        // As long as clusters of the product wait, but shorter for this test.
        const seconds = Math.min(ENDPOINTS_OVER_ADS.initialFetchTimeout?.seconds ?? 0, 3);
        const eds = { ...ENDPOINTS_OVER_ADS, initialFetchTimeout: { seconds } };
        source.commit(edit => edit.set(clusterType, "a", "2", clusterBytes("a", 2, eds)));
        const tookOwn = async () => (await envoy.stat("cluster.a.assignment_use_cached")) === 1;
        await eventually("the cluster waits", async () => (await warming()) === 1 || tookOwn());
        await restartServer();
        source.slow = false;
        await eventually("Envoy is back", () => source.connections.length === 2);
        assert.equal(await get(), "200 a", "the old one serves");
        await eventually("it takes those it has", tookOwn);
        assert.equal(await warming(), 0);
        // Envoy does not ask for clusters while one is warming.
        await eventually("it has everything", () => summary(events(), "current").length === 4);
        assert.deepEqual(summary(events(), "sent"), [], "nothing was left to send");
        assert.equal(await get(), "200 a");
        assert.match(await envoy.admin("/config_dump"), /"connect_timeout": "2s"/);
      });
    },
  );

  inBothForms("an empty mesh is configuration too", form =>
    withEnvoy(form, new FakeConfigSource(), async ({ events }) => {
      await eventually("both acknowledged", () => summary(events(), "acked").length === 2);
    }),
  );

  inBothForms("traffic moves to a new cluster while the old one goes: no request fails", form =>
    withEnvoy(form, meshSource(), async ({ source, envoy, get }) => {
      const answers: string[] = [];
      let stop = false;
      const traffic = (async () => {
        while (!stop) answers.push(await get());
      })();
      let [now, next] = ["a", "b"];
      for (let round = 0; round < 10; round++) {
        source.commit(edit => {
          edit.set(clusterType, next, String(round), clusterBytes(next));
          edit.set(endpointType, next, String(round), endpointBytes(next, [portOf(next)]));
          edit.set(routeType, "r", `${round}`, routeBytes("r", next));
          edit.delete(clusterType, now);
          edit.delete(endpointType, now);
        });
        await eventually("the old cluster is gone", async () => {
          const clusters = await envoy.admin("/clusters");
          return !clusters.includes(`${now}::`) && clusters.includes(`${next}::`);
        });
        [now, next] = [next, now];
      }
      stop = true;
      await traffic;
      const bad = answers.filter(answer => answer !== "200 a" && answer !== "200 b");
      assert.deepEqual(bad, []);
      assert.ok(answers.includes("200 a") && answers.includes("200 b"));
    }),
  );

  inBothForms("one bad route is rejected, the good ones of the same response get through", form => {
    const source = meshSource();
    source.commit(edit => {
      for (const name of ["l1", "l2", "l3"])
        edit.set(listenerType, name, "1", listenerBytes(name, `r-${name}`));
      for (const name of ["r-l1", "r-l2", "r-l3"])
        edit.set(routeType, name, "1", routeBytes(name, "a"));
      edit.set(clusterType, "b", "1", clusterBytes("b"));
      edit.set(endpointType, "b", "1", endpointBytes("b", [portOf("b")]));
    });
    return withEnvoy(form, source, async ({ get, events }) => {
      await eventually("routes are there", async () => (await get("any", "l3")) === "200 a");
      source.commit(edit => {
        edit.set(routeType, "r-l1", "bad", badRouteBytes("r-l1"));
        edit.set(routeType, "r-l2", "2", routeBytes("r-l2", "b"));
        edit.set(routeType, "r-l3", "2", routeBytes("r-l3", "b"));
      });
      await eventually("l2", async () => (await get("any", "l2")) === "200 b");
      await eventually("l3", async () => (await get("any", "l3")) === "200 b");
      assert.equal(await get("any", "l1"), "200 a", "the last good routes stay");
      const alone = (): boolean =>
        events().some(
          event =>
            event.kind === "nacked" && event.names?.length === 1 && /domain/.test(event.message),
        );
      await eventually("the culprit stands alone", alone);
    });
  });

  inBothForms("a bad listener is rejected, and the others are not held up", form =>
    withEnvoy(form, meshSource(), async ({ source, get, events }) => {
      source.commit(edit => {
        edit.set(listenerType, "bad", "1", badListenerBytes("bad"));
        edit.set(listenerType, "good", "1", listenerBytes("good", "r"));
      });
      await eventually("the good one", async () => (await get("any", "good")) === "200 a");
      await eventually("the rejection", () => summary(events(), "nacked").length === 1);
      await new Promise(next => setTimeout(next, 200));
      assert.equal(summary(events(), "nacked").length, 1, "not sent again");
      source.commit(edit => edit.delete(listenerType, "bad"));
      await eventually("accepted again", () => summary(events(), "acked").includes("Listener"));
    }),
  );

  test("virtual hosts one at a time, and on demand (delta)", () => {
    const source = meshSource();
    source.commit(edit => {
      edit.set(routeType, "r", "2", vhdsRouteBytes("r"));
      edit.set(virtualHostType, "r/one", "1", virtualHostBytes("one", "a"));
      edit.set(virtualHostType, "r/two", "1", virtualHostBytes("two", "a"));
      edit.set(clusterType, "b", "1", clusterBytes("b"));
      edit.set(endpointType, "b", "1", endpointBytes("b", [portOf("b")]));
    });
    return withEnvoy("delta", source, async ({ get, events }) => {
      await eventually("both hosts", async () => (await get("two")) === "200 a");
      source.commit(edit => edit.set(virtualHostType, "r/two", "2", virtualHostBytes("two", "b")));
      await eventually("the change", async () => (await get("two")) === "200 b");
      assert.equal(await get("one"), "200 a");
      assert.equal(await get("unknown"), "404 ", "answered, not waited for");
      const sent = events().filter(({ kind, type }) => kind === "sent" && type === virtualHostType);
      const names = sent.map(event => (event.kind === "sent" ? event.names : 0));
      assert.deepEqual(names, [2, 1, 1]);

      source.commit(edit => edit.set(routeType, "r", "3", vhdsRouteBytes("r", "x-two")));
      const routes = (): number =>
        events().filter(({ kind, type }) => kind === "acked" && type === routeType).length;
      await eventually("the route configuration", () => routes() === 2);
      assert.equal(await get("one"), "200 a", "its hosts outlive a change of it");

      source.commit(edit => {
        edit.set(listenerType, "second", "1", listenerBytes("second", "r2"));
        edit.set(routeType, "r2", "1", vhdsRouteBytes("r2"));
        edit.set(virtualHostType, "r2/three", "1", virtualHostBytes("three", "b"));
      });
      await eventually("hosts of a new one", async () => {
        return (await get("three", "second")) === "200 b";
      });
    });
  });
});
