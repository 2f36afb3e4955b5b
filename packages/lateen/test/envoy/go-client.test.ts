/** The xDS server against grpc-go with go-control-plane's messages. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clusterType, endpointType } from "../../src/discovery/type-order.ts";
import type { AdsServer } from "../../src/net/ads-server.ts";
import { newAdsServer } from "../support/ads-test-server.ts";
import { FakeConfigSource } from "../support/fake-config-source.ts";
import { needsGo, runGoClient } from "../support/go-client.ts";

const skip = needsGo();
const source = new FakeConfigSource();
let server: AdsServer;
let addr = "";
before(async () => {
  source.commit(edit => {
    for (let i = 0; i < 2000; i++) edit.set(clusterType, `c${i}`, "1");
    edit.set(endpointType, "c0", "1");
    edit.set(endpointType, "c1", "1");
  });
  server = newAdsServer(source);
  addr = `127.0.0.1:${await server.listenPlaintext({ port: 0 })}`;
});
after(() => server.close());

for (const form of ["delta", "sotw"] as const) {
  test(`wildcard and names (${form})`, { skip }, async () => {
    const subscribe = `${clusterType};${endpointType}=c0,c1`;
    const args = ["-addr", addr, "-form", form, "-count", "2", "-subscribe", subscribe];
    const lines = await runGoClient(args);
    const clusters = lines.find(({ type }) => type === clusterType);
    assert.equal(clusters?.resources?.length, 2000);
    const endpoints = lines.find(({ type }) => type === endpointType);
    assert.deepEqual(endpoints?.resources, ["c0@1", "c1@1"]);
  });

  test(`a name that is not there (${form})`, { skip }, async () => {
    const args = ["-addr", addr, "-form", form, "-subscribe", `${endpointType}=none`];
    const [answer] = await runGoClient(args);
    assert.equal(answer?.type, endpointType);
    assert.deepEqual(answer?.removed, form === "delta" ? ["none"] : null);
  });

  test(`a refusal has its code and its reason (${form})`, { skip }, async () => {
    source.refuse = () => ({ refused: "not ünder this name", code: 7 });
    try {
      const [answer] = await runGoClient(["-addr", addr, "-form", form, "-subscribe", clusterType]);
      assert.equal(answer?.code, 7);
      assert.equal(answer?.message, "not ünder this name");
    } finally {
      source.refuse = undefined;
    }
  });
}
