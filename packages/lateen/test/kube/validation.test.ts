/** The validating webhook in front of a real API server, and who keeps its configuration. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { customResourceDefinition, isCustomResource } from "../../src/api/crd.ts";
import { allKinds } from "../../src/api/registry.ts";
import { silentLog } from "../../src/base/log.ts";
import { type RunningDiscovery, startDiscovery } from "../../src/bin/discovery.ts";
import { openCluster } from "../../src/bin/open-cluster.ts";
import {
  defaultValidator,
  validatingWebhookConfiguration,
} from "../../src/inject/webhook-objects.ts";
import { systemClock } from "../../src/net/clock.ts";
import { arrayAt, isObject, objectAt } from "../../src/sources/json.ts";
import { type KubeCluster, needsKubernetes, ownKubeCluster } from "../support/kube-cluster.ts";

const skip = needsKubernetes("control-plane");

const good = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: default}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`;
const bad = good("bad").replace("protocol: HTTP", "protocol: HTTPS");

describe("validation by the webhook", { skip, timeout: 600_000 }, () => {
  function start(cluster: KubeCluster): Promise<RunningDiscovery> {
    return startDiscovery({
      source: openCluster({
        kubeconfig: cluster.kubeconfig,
        context: undefined,
        systemNamespace: "istio-system",
        revision: "default",
      }),
      plaintext: undefined,
      tls: [],
      http: [],
      webhooks: { host: "127.0.0.1", port: 0 },
      stateDir: undefined,
      instance: "istiod-1",
      version: "0.1.0",
      certificateLifetimeMs: undefined,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
    });
  }

  async function policy(cluster: KubeCluster, name: string): Promise<unknown> {
    const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${name}`;
    const [webhook] = arrayAt((await cluster.api({ path })).body, "webhooks").filter(isObject);
    const { caBundle } = objectAt(webhook ?? {}, "clientConfig");
    return caBundle === undefined ? undefined : webhook?.["failurePolicy"];
  }

  test("it lets pass until it is seen to work, then refuses with the store's words", async () => {
    const cluster = await ownKubeCluster({ mode: "control-plane" });
    const items = allKinds.filter(isCustomResource).map(customResourceDefinition);
    await cluster.must(["create", "namespace", "istio-system"]);
    await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items }), "--server-side");
    const running = await start(cluster);
    try {
      const url = `https://localhost:${running.webhookPort}`;
      const install = {
        revision: "default",
        namespace: "istio-system",
        enableNamespacesByDefault: false,
        url,
      };
      const objects = [validatingWebhookConfiguration(install), defaultValidator(install)];
      for (const object of objects) await cluster.apply(JSON.stringify(object));
      for (const object of objects) {
        const { name } = objectAt(object, "metadata");
        await cluster.until(`${name} refuses`, async () =>
          (await policy(cluster, String(name))) === "Fail" ? true : undefined,
        );
      }
      const refused = await cluster.kubectl(["apply", "-f", "-"], { input: bad });
      assert.equal(refused.code, 1);
      assert.equal(
        refused.stderr,
        'The Gateway "bad" is invalid: spec.servers[0].tls: is required for protocol HTTPS\n',
      );
      await cluster.apply(good("good"));
      // Whoever takes the bundle away gets it back.
      const taken = { webhooks: [{ name: "validation.istio.io", clientConfig: { caBundle: "" } }] };
      const patch = ["patch", "validatingwebhookconfiguration", "istiod-default-validator"];
      await cluster.must([...patch, "--type=strategic", "-p", JSON.stringify(taken)]);
      await cluster.until("the caBundle is back", async () =>
        (await policy(cluster, "istiod-default-validator")) === "Fail" ? true : undefined,
      );
    } finally {
      await running.stop();
    }
    const down = await cluster.kubectl(["apply", "-f", "-"], { input: good("later") });
    assert.match(down.stderr, /failed calling webhook "validation\.istio\.io"/);
    await cluster.must(["delete", "gateways.networking.istio.io", "good"]);
    await cluster.must(["create", "configmap", "unrelated"]);
  });
});
