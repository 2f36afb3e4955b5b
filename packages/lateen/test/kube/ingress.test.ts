/** A Kubernetes Ingress in a real cluster: through a gateway pod to an application, and its status. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import { kubeControlPlane } from "../support/kube-control-plane.ts";
import { webServer } from "../support/kube-namespace.ts";

const skip = needsKubernetes();
/** Nobody has to answer there. */
const ADDRESS = "192.0.2.10";

function objects(className: string): string {
  return `${webServer("http-web", 8000)}---
apiVersion: v1
kind: Pod
metadata:
  name: edge
  labels: {app: edge, istio: ${className}, sidecar.istio.io/inject: "true"}
  annotations: {inject.istio.io/templates: gateway}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: istio-proxy, image: auto}]
---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {selector: {app: edge}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: ${className}}}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /hostname, pathType: Prefix, backend: {service: {name: web, port: {name: http-web}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: others, annotations: {kubernetes.io/ingress.class: nginx}}
spec:
  rules:
  - host: others.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8000}}}}
`;
}

describe("an Ingress", { skip, timeout: 600_000 }, () => {
  test("is served by the gateway, and says where it is reached", async t => {
    const cluster = await kubeCluster();
    const name = `edge-${process.pid}`;
    // The root namespace has the gateway's Service: here that of the control plane.
    const { workloads, namespace } = await kubeControlPlane(t, cluster, {
      mesh: `ingressClass: ${name}\ningressSelector: ${name}\ningressService: lb-${name}\n`,
    });
    await workloads.apply(objects(name));
    await workloads.readyPods("app=edge", 1);
    await workloads.readyPods("app=web", 1);
    const client = await workloads.client();
    const status = async (host: string, path: string): Promise<string> => {
      const flags = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"];
      const command = ["curl", ...flags, "-H", `Host: ${host}`, `http://edge${path}`];
      return (await workloads.exec(client, command)).stdout;
    };
    await workloads.until("the gateway answers", async () =>
      (await status("shop.example.com", "/hostname")) === "200" ? true : undefined,
    );
    assert.equal(await status("shop.example.com", "/hostnames"), "404");
    assert.equal(await status("others.example.com", "/"), "404");

    const balancer = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: `lb-${name}` },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
    };
    await cluster.apply(JSON.stringify(balancer), "-n", namespace);
    const patch = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: ADDRESS }] } } });
    const target = ["-n", namespace, "patch", "service", `lb-${name}`, "--subresource=status"];
    await cluster.must([...target, "--type=merge", "-p", patch]);
    await workloads.until("the Ingress has the address", async () => {
      const listed = await workloads.kubectl("get", "ingress", "shop");
      return listed.includes(ADDRESS) ? true : undefined;
    });
    assert.doesNotMatch(await workloads.kubectl("get", "ingress", "others"), /192\.0\.2\.10/);
    await workloads.kubectl("delete", "ingress", "shop");
    await workloads.until("it is gone", async () =>
      (await status("shop.example.com", "/hostname")) !== "200" ? true : undefined,
    );
  });
});
