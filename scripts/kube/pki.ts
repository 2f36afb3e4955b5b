/** The certificates of a cluster and the kubeconfigs of those who talk to its API server. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { complaint, runCommand } from "../../packages/lateen/src/local/command.ts";
import {
  apiServiceAddress,
  type ClusterPlan,
  isDualStack,
  nodeAddressV6,
  pathsOf,
} from "./plan.ts";

interface Leaf {
  readonly file: string;
  readonly ca: "ca" | "front-proxy-ca";
  /** As openssl takes it, e.g. `/O=system:masters/CN=admin`. */
  readonly subject: string;
  readonly usage: "serverAuth" | "clientAuth";
  readonly names?: readonly string[];
}

/** Who gets a kubeconfig. */
const USERS = ["admin", "controller-manager", "scheduler", "kube-proxy", "kubelet"];
const DAYS = "3650";

export async function makePki(plan: ClusterPlan): Promise<void> {
  const { pki, conf, kubeconfig } = pathsOf(plan);
  for (const folder of [pki, conf]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  await Promise.all([
    makeCa(pki, "ca", `kubernetes-${plan.name}`),
    makeCa(pki, "front-proxy-ca", `front-proxy-${plan.name}`),
  ]);
  await Promise.all(leaves(plan).map(leaf => makeLeaf(pki, leaf)));
  makeServiceAccountKey(pki);
  for (const user of USERS) {
    const file = user === "admin" ? kubeconfig : join(conf, `${user}.kubeconfig`);
    writeFileSync(file, kubeconfigFor(plan, user), { mode: 0o600 });
  }
}

function leaves(plan: ClusterPlan): Leaf[] {
  const client = (file: string, subject: string): Leaf => ({
    file,
    ca: "ca",
    subject,
    usage: "clientAuth",
  });
  const node = [`DNS:${plan.nodeName}`, "DNS:localhost", "IP:127.0.0.1", `IP:${plan.address}`];
  if (isDualStack(plan)) node.push(`IP:${nodeAddressV6(plan.number)}`);
  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const api = [...service, "kubernetes.default.svc.cluster.local"].map(name => `DNS:${name}`);
  const server = { ca: "ca", usage: "serverAuth" } as const;
  return [
    {
      ...server,
      file: "apiserver",
      subject: "/CN=kube-apiserver",
      names: [...api, ...node, `IP:${apiServiceAddress(plan)}`],
    },
    { ...server, file: "components", subject: "/CN=localhost", names: node },
    { ...server, file: "kubelet-server", subject: `/CN=${plan.nodeName}`, names: node },
    client("admin", "/O=system:masters/CN=kubernetes-admin"),
    client("controller-manager", "/CN=system:kube-controller-manager"),
    client("scheduler", "/CN=system:kube-scheduler"),
    client("kube-proxy", "/CN=system:kube-proxy"),
    client("kubelet", `/O=system:nodes/CN=system:node:${plan.nodeName}`),
    client("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    { ...client("front-proxy-client", "/CN=front-proxy-client"), ca: "front-proxy-ca" },
  ];
}

async function makeCa(pki: string, file: string, name: string): Promise<void> {
  await openssl(pki, file, [
    ...["-subj", `/CN=${name}`],
    ...["-addext", "basicConstraints=critical,CA:TRUE"],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"],
  ]);
}

async function makeLeaf(pki: string, leaf: Leaf): Promise<void> {
  const names = leaf.names === undefined ? [] : [`subjectAltName=${leaf.names.join(",")}`];
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment",
    `extendedKeyUsage=${leaf.usage}`,
    ...names,
  ];
  await openssl(pki, leaf.file, [
    ...["-CA", join(pki, `${leaf.ca}.crt`), "-CAkey", join(pki, `${leaf.ca}.key`)],
    ...["-subj", leaf.subject],
    ...extensions.flatMap(each => ["-addext", each]),
  ]);
}

async function openssl(pki: string, file: string, more: readonly string[]): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const outputs = ["-keyout", join(pki, `${file}.key`), "-out", join(pki, `${file}.crt`)];
  const args = ["req", "-x509", ...key, "-days", DAYS, ...outputs, ...more];
  const result = await runCommand("openssl", args);
  if (result.code !== 0) throw new Error(`certificate ${file}: ${complaint(result)}`);
}

/** Service account tokens are signed with RSA in most clusters, so here, too. */
function makeServiceAccountKey(pki: string): void {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const privateKey = pair.privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(pki, "sa.key"), privateKey, { mode: 0o600 });
  writeFileSync(join(pki, "sa.pub"), pair.publicKey.export({ type: "spki", format: "pem" }));
}

function kubeconfigFor(plan: ClusterPlan, user: string): string {
  const { pki } = pathsOf(plan);
  const data = (file: string): string => readFileSync(join(pki, file)).toString("base64");
  const { name } = plan;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: {
          server: `https://${plan.address}:${plan.ports.api}`,
          "certificate-authority-data": data("ca.crt"),
        },
      },
    ],
    users: [
      {
        name: user,
        user: {
          "client-certificate-data": data(`${user}.crt`),
          "client-key-data": data(`${user}.key`),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user } }],
    "current-context": name,
  });
}
