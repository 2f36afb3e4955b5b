/** A Service exported to a set of clusters, in one real cluster: reached by its name there, and its address. */
import test, { describe } from "node:test";
import { customResourceDefinition } from "../../src/api/crd.ts";
import { serviceExportKind } from "../../src/api/service-export/kind.ts";
import { serviceImportKind } from "../../src/api/service-import/kind.ts";
import { kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { kubeControlPlane } from "../support/kube-control-plane.ts";
import { webServer } from "../support/kube-namespace.ts";

const skip = needsKubernetes();
/** Nobody answers there but sidecars, for others. */
const ADDRESS = "192.0.2.20";

const EXPORT = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {name: web}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: web}
spec: {type: ClusterSetIP, ips: ["${ADDRESS}"], ports: [{name: http, protocol: TCP, port: 80}]}
`;

describe("an exported Service", { skip, timeout: 600_000 }, () => {
  test("is reached under its name in the set, from when its kinds are there", async t => {
    const cluster = await kubeCluster();
    const { workloads } = await kubeControlPlane(t, cluster);
    await workloads.apply(webServer("http", 80));
    await workloads.readyPods("app=web", 1);
    const client = await workloads.client();
    const crds = [serviceExportKind, serviceImportKind];
    const names = crds.map(({ plural, group }) => `crd/${plural}.${group}`);
    t.after(() => cluster.kubectl(["delete", "--ignore-not-found", ...names]));
    for (const kind of crds) await cluster.apply(JSON.stringify(customResourceDefinition(kind)));
    await cluster.must(["wait", "--for=condition=Established", "--timeout=120s", ...names]);
    await workloads.apply(EXPORT);
    const host = `web.${workloads.name}.svc.clusterset.local`;
    await workloads.curl(client, "--resolve", `${host}:80:${ADDRESS}`, `http://${host}/`);
    await workloads.curl(client, `http://${ADDRESS}/`);
  });
});
