/** The cluster's own DNS: CoreDNS, as a Deployment of one. */
import { valueAt } from "../../packages/lateen/src/sources/json.ts";
import { callApi } from "./api-client.ts";
import type { ClusterPlan } from "./plan.ts";

export const COREDNS_IMAGE = "lateen.test/coredns:1";
const NAMESPACE = "/namespaces/kube-system";

const COREFILE = `.:53 {
  errors
  health
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
  }
  cache 5
  reload
  loadbalance
}
`;

interface Wanted {
  readonly path: string;
  readonly object: object;
}

/** Creates what is not there yet; throws where the API server does not take it. */
export async function installDns(plan: ClusterPlan): Promise<void> {
  for (const { path, object } of objects(plan)) {
    const { status, text } = await callApi(plan, { method: "POST", path, body: object });
    if (status !== 201 && status !== 409)
      throw new Error(`CoreDNS: ${path} answered ${status}: ${text}`);
  }
}

export async function isDnsReady(plan: ClusterPlan): Promise<boolean> {
  const path = `/apis/apps/v1${NAMESPACE}/deployments/coredns`;
  const { body } = await callApi(plan, { path });
  return Number(valueAt(body, "status.readyReplicas") ?? 0) >= 1;
}

function objects(plan: ClusterPlan): Wanted[] {
  const metadata = { name: "coredns", namespace: "kube-system" };
  return [...access(metadata), ...workload(plan, metadata)];
}

function access(metadata: object): Wanted[] {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rule = (apiGroups: string[], resources: string[]): object => ({
    apiGroups,
    resources,
    verbs: ["list", "watch"],
  });
  return [
    { path: `/api/v1${NAMESPACE}/serviceaccounts`, object: { metadata } },
    {
      path: `${rbac}/clusterroles`,
      object: {
        metadata: { name: "system:coredns" },
        rules: [
          rule([""], ["endpoints", "services", "pods", "namespaces"]),
          rule(["discovery.k8s.io"], ["endpointslices"]),
        ],
      },
    },
    {
      path: `${rbac}/clusterrolebindings`,
      object: {
        metadata: { name: "system:coredns" },
        roleRef: {
          apiGroup: "rbac.authorization.k8s.io",
          kind: "ClusterRole",
          name: "system:coredns",
        },
        subjects: [{ kind: "ServiceAccount", ...metadata }],
      },
    },
  ];
}

function workload(plan: ClusterPlan, metadata: object): Wanted[] {
  const labels = { "k8s-app": "kube-dns" };
  const families = plan.serviceRanges.length > 1 ? { ipFamilyPolicy: "PreferDualStack" } : {};
  return [
    {
      path: `/api/v1${NAMESPACE}/configmaps`,
      object: { metadata, data: { Corefile: COREFILE } },
    },
    {
      path: `/apis/apps/v1${NAMESPACE}/deployments`,
      object: {
        metadata,
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec() },
        },
      },
    },
    {
      path: `/api/v1${NAMESPACE}/services`,
      object: {
        metadata: { name: "kube-dns", namespace: "kube-system", labels },
        spec: {
          clusterIP: plan.dnsAddress,
          ...families,
          selector: labels,
          ports: [
            { name: "dns", port: 53, protocol: "UDP" },
            { name: "dns-tcp", port: 53, protocol: "TCP" },
          ],
        },
      },
    },
  ];
}

function podSpec(): object {
  return {
    serviceAccountName: "coredns",
    // Not its own: there is nobody else to ask.
    dnsPolicy: "Default",
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "coredns",
        image: COREDNS_IMAGE,
        imagePullPolicy: "IfNotPresent",
        args: ["-conf", "/etc/coredns/Corefile"],
        readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
        volumeMounts: [{ name: "config", mountPath: "/etc/coredns" }],
      },
    ],
    volumes: [{ name: "config", configMap: { name: "coredns" } }],
  };
}
