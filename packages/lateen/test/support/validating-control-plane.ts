/** Lateen's CRDs and its validating webhook in front of an API server that has no node. */
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
import type { KubeCluster } from "./kube-cluster.ts";

/**
 * Running in this process, for a cluster of mode `control-plane`; resolves when the webhook refuses.
 * `stored` is applied before anything validates.
 */
export async function startValidating(
  cluster: KubeCluster,
  stored?: string,
): Promise<RunningDiscovery> {
  const items = allKinds.filter(isCustomResource).map(customResourceDefinition);
  await cluster.must(["create", "namespace", "istio-system"]);
  await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items }), "--server-side");
  if (stored !== undefined)
    await cluster.until("the CRDs are served", async () => {
      const applied = await cluster.kubectl(["apply", "-f", "-"], { input: stored });
      return applied.code === 0 ? true : undefined;
    });
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
    for (const object of objects)
      await untilRefusing(cluster, String(objectAt(object, "metadata")["name"]));
  } catch (error) {
    await running.stop();
    throw error;
  }
  return running;
}

/** Until the webhook has a caBundle that works and `failurePolicy: Fail`. */
export async function untilRefusing(cluster: KubeCluster, name: string): Promise<void> {
  const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${name}`;
  await cluster.until(`${name} refuses`, async () => {
    const [webhook] = arrayAt((await cluster.api({ path })).body, "webhooks").filter(isObject);
    const { caBundle } = objectAt(webhook ?? {}, "clientConfig");
    return caBundle !== undefined && webhook?.["failurePolicy"] === "Fail" ? true : undefined;
  });
}

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
