import type { JsonObject } from "../api/kind.ts";

export type GatewayName = "ingress" | "egress";

const NAMESPACE = "istio-system";

/** The objects of a gateway as Istio's demo profile has them; the injector fills in the proxy. */
export function gatewayObjects(gateway: GatewayName): readonly JsonObject[] {
  const name = `istio-${gateway}gateway`;
  const labels = { app: name, istio: `${gateway}gateway` };
  const account = `${name}-service-account`;
  const metadata = { name, namespace: NAMESPACE, labels };
  return [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: account, namespace: NAMESPACE, labels },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: {
        type: gateway === "ingress" ? "LoadBalancer" : "ClusterIP",
        selector: labels,
        ports: gateway === "ingress" ? ingressPorts : egressPorts,
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: {
            labels: { ...labels, "sidecar.istio.io/inject": "true" },
            annotations: { "inject.istio.io/templates": "gateway" },
          },
          spec: {
            serviceAccountName: account,
            containers: [
              {
                name: "istio-proxy",
                image: "auto",
                ports: (gateway === "ingress" ? ingressPorts : egressPorts).map(port => ({
                  containerPort: port.targetPort,
                  protocol: "TCP",
                })),
              },
            ],
          },
        },
      },
    },
  ];
}

interface GatewayPort {
  readonly [key: string]: string | number;
  readonly name: string;
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: "TCP";
}

const tcp = (name: string, port: number, targetPort: number): GatewayPort => ({
  name,
  port,
  targetPort,
  protocol: "TCP",
});

const ingressPorts: readonly GatewayPort[] = [
  tcp("status-port", 15021, 15021),
  tcp("http2", 80, 8080),
  tcp("https", 443, 8443),
  tcp("tcp", 31400, 31400),
  tcp("tls", 15443, 15443),
];

const egressPorts: readonly GatewayPort[] = [tcp("http2", 80, 8080), tcp("https", 443, 8443)];
