/**
 * What one changed virtual host costs a real Envoy: sent by itself (VHDS), or inside its whole route
 * configuration (RDS). `VHDS_THRESHOLD` in src/xds/resources/routes.ts was chosen by it. Run as
 * `node packages/lateen/bench/vhds.ts [hosts ...]`.
 */
import { RouteConfiguration } from "@lateen/envoy-api/envoy/config/route/v3/route.js";
import { VirtualHost } from "@lateen/envoy-api/envoy/config/route/v3/route_components.js";
import { listenerType, routeType, virtualHostType } from "../src/discovery/type-order.ts";
import { newAdsServer } from "../test/support/ads-test-server.ts";
import { EnvoyProcess, eventually } from "../test/support/envoy-process.ts";
import { FakeConfigSource } from "../test/support/fake-config-source.ts";
import { adsBootstrap, listenerBytes, vhdsRouteBytes } from "../test/support/static-mesh.ts";
import { usageOf } from "./child.ts";
import { median } from "./fleet.ts";
import { pause } from "./request.ts";

const SIZES = [20, 50, 100, 200, 500, 1000, 2000];
const CHANGES = 25;
const ROUTE = "80";

interface Cost {
  readonly ackMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

/** As ours are: two weighted clusters, and the names and the address that a service goes by. */
function host(index: number, weight: number): VirtualHost {
  const name = `svc-${index}.ns-${index % 10}.svc.cluster.local`;
  const cluster = (subset: string, share: number) => ({
    name: `outbound|80|${subset}|${name}`,
    weight: share,
  });
  return {
    name: `${name}:80`,
    domains: [name, `svc-${index}.ns-${index % 10}`, `svc-${index}.ns-${index % 10}.svc`],
    routes: [
      {
        match: { prefix: "/" },
        route: {
          weightedClusters: { clusters: [cluster("v1", weight), cluster("v2", 100 - weight)] },
          timeout: { seconds: 0 },
        },
      },
    ],
  };
}

function edit(source: FakeConfigSource, vhds: boolean, size: number, change: number): void {
  const version = String(change);
  const weightOf = (index: number): number => (index === 0 ? 1 + (change % 90) : 50);
  source.commit(to => {
    if (!vhds) {
      const virtualHosts = Array.from({ length: size }, (_, i) => host(i, weightOf(i)));
      const message = { name: ROUTE, virtualHosts };
      to.set(routeType, ROUTE, version, RouteConfiguration.encode(message).finish());
      return;
    }
    if (change === 0) to.set(routeType, ROUTE, "0", vhdsRouteBytes(ROUTE));
    for (let i = 0; i < (change === 0 ? size : 1); i++) {
      const each = host(i, weightOf(i));
      to.set(virtualHostType, `${ROUTE}/${each.name}`, version, VirtualHost.encode(each).finish());
    }
  });
}

async function measure(vhds: boolean, size: number): Promise<Cost> {
  const source = new FakeConfigSource();
  source.namedOnly.add(routeType);
  source.commit(to => to.set(listenerType, "main", "1", listenerBytes("main", ROUTE)));
  edit(source, vhds, size, 0);
  const server = newAdsServer(source);
  const port = await server.listenPlaintext({ port: 0 });
  const envoy = await EnvoyProcess.start(adsBootstrap("proxy", port, "delta"), ["-l", "error"]);
  const type = vhds ? virtualHostType : routeType;
  const of = (kind: "sent" | "acked") =>
    (source.connections.at(-1)?.events ?? []).filter(
      event => event.kind === kind && event.type === type,
    );
  try {
    await eventually("Envoy has its routes", () => of("acked").length > 0);
    await pause(300);
    const times: number[] = [];
    const before = usageOf(envoy.pid).cpuSeconds;
    for (let change = 1; change <= CHANGES; change++) {
      const acked = of("acked").length;
      const started = performance.now();
      edit(source, vhds, size, change);
      while (of("acked").length === acked) await new Promise(next => setImmediate(next));
      times.push(performance.now() - started);
    }
    const cpuMs = ((usageOf(envoy.pid).cpuSeconds - before) * 1000) / CHANGES;
    const last = of("sent").at(-1);
    return { ackMs: median(times), cpuMs, bytes: last?.kind === "sent" ? last.bytes : 0 };
  } finally {
    await envoy.stop();
    await server.close();
  }
}

const sizes = process.argv.slice(2).map(Number);
const write = (line: string): void => void process.stdout.write(`${line}\n`);
write("hosts   RDS: ack ms  CPU ms  bytes   VHDS: ack ms  CPU ms  bytes");
for (const size of sizes.length > 0 ? sizes : SIZES) {
  const cells = [String(size).padEnd(6)];
  for (const vhds of [false, true]) {
    const { ackMs, cpuMs, bytes } = await measure(vhds, size);
    cells.push(ackMs.toFixed(1).padStart(13), cpuMs.toFixed(1).padStart(7), `${bytes}`.padStart(6));
  }
  write(cells.join(" "));
}
