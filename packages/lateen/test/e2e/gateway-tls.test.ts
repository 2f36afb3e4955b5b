/** TLS at a gateway with certificates from Secrets, with a real client and a real Envoy. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request } from "node:https";
import { after, before, describe, test } from "node:test";
import { type Authority, openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;

const now = Date.now();
const period = { notBefore: now - 60_000, notAfter: now + 3_600_000 };

/** A company's own CA, which the mesh knows nothing of. */
function newAuthority(): Authority {
  const root = selfSignedRoot("shop.example", period);
  const opened = openAuthority(
    {
      "ca-cert.pem": root.certificatePem,
      "ca-key.pem": root.privateKeyPem,
      "root-cert.pem": root.certificatePem,
      "cert-chain.pem": "",
    },
    now,
  );
  assert.ok(opened.ok);
  return opened.value;
}

const authority = newAuthority();
const ROOTS = authority.roots.join("\n");
const certificateFor = (name: string) => authority.issue({ dnsNames: [name] }, period);

function secret(name: string, data: Readonly<Record<string, string>>, namespace = "istio-system") {
  const metadata = { name, namespace };
  const type = "tls.crt" in data ? "kubernetes.io/tls" : "Opaque";
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, type, stringData: data });
}

function pair(host: string): { "tls.crt": string; "tls.key": string } {
  const { certificatePem, privateKeyPem } = certificateFor(host);
  return { "tls.crt": certificatePem, "tls.key": privateKeyPem };
}

const server = (name: string, host: string, tls: string) =>
  `{port: {number: 443, name: ${name}, protocol: HTTPS}, hosts: [${host}], tls: ${tls}}`;

/** In another namespace than its pods: the Secrets are where the pods are. */
const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - ${server("simple", "simple.shop.example", "{mode: SIMPLE, credentialName: simple}")}
  - ${server("mutual", "mutual.shop.example", "{mode: MUTUAL, credentialName: mutual}")}
  - ${server("foreign", "foreign.shop.example", "{mode: SIMPLE, credentialName: foreign}")}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec:
  hosts: ["*.shop.example"]
  gateways: [edge]
  http: [{route: [{destination: {host: web}}]}]
`;

/** The test applications listen on 80; `missing` is no Service. */
const INGRESS = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: istio.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: office, namespace: default}
spec:
  ingressClassName: edge
  tls: [{hosts: [office.example], secretName: office}]
  rules:
  - host: office.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}
      - {path: /gone, pathType: Prefix, backend: {service: {name: missing, port: {number: 80}}}}
`;

interface Answer {
  readonly status: number;
  /** Fingerprint of the server's certificate. */
  readonly certificate: string;
}

describe("TLS at a gateway", { skip }, () => {
  let mesh: RunningMesh;

  function call(host: string, own?: { certificatePem: string; privateKeyPem: string }) {
    return new Promise<Answer>((resolve, reject) => {
      const sent = request(
        {
          host: mesh.ingress.split(":")[0],
          port: 443,
          servername: host,
          headers: { host },
          ca: ROOTS,
          cert: own?.certificatePem,
          key: own?.privateKeyPem,
          agent: false,
          timeout: 5000,
        },
        answer => {
          const { socket } = sent;
          const certificate =
            socket !== null && "getPeerX509Certificate" in socket
              ? String(Object(socket).getPeerX509Certificate()?.fingerprint256)
              : "";
          answer.resume();
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, certificate }));
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("timeout")));
      sent.on("error", reject);
      sent.end();
    });
  }

  const answers = (host: string, own?: Parameters<typeof call>[1]) =>
    mesh.until(`${host} answers`, async () => {
      const answer = await call(host, own).catch(() => undefined);
      return answer?.status === 200;
    });

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f -", demoapp({ name: "web" }));
    await mesh.ok("apply -f -", secret("simple", pair("simple.shop.example")));
    const { certificatePem, privateKeyPem } = certificateFor("mutual.shop.example");
    const generic = { cert: certificatePem, key: privateKeyPem };
    await mesh.ok("apply -f -", secret("mutual", generic));
    await mesh.ok("apply -f -", secret("mutual-cacert", { cacert: ROOTS }));
    await mesh.ok("apply -f -", secret("foreign", pair("foreign.shop.example"), "default"));
    await mesh.ok("apply -f -", GATEWAY);
    await rolledOut(mesh, "web");
  });
  after(() => mesh?.stop());

  test("SIMPLE: the certificate of a kubernetes.io/tls Secret", () =>
    answers("simple.shop.example"));

  test("a new certificate in the Secret is served without a restart", async () => {
    const { certificate } = await call("simple.shop.example");
    await mesh.ok("apply -f -", secret("simple", pair("simple.shop.example")));
    await mesh.until("the new certificate", async () => {
      const answer = await call("simple.shop.example");
      return answer.status === 200 && answer.certificate !== certificate;
    });
  });

  test("a broken Secret changes nothing", async () => {
    const { certificate } = await call("simple.shop.example");
    const broken = { ...pair("simple.shop.example"), "tls.key": "junk" };
    await mesh.ok("apply -f -", secret("simple", broken));
    await mesh.until("the control plane has said so", async () => {
      const log = readFileSync(mesh.path("control-plane.log"), "utf8");
      return log.includes("tls.key or key is not the private key");
    });
    assert.deepEqual(await call("simple.shop.example"), { status: 200, certificate });
  });

  test("MUTUAL: generic Secrets, and only clients of their CA", async () => {
    const good = certificateFor("client.shop.example");
    await answers("mutual.shop.example", good);
    await assert.rejects(call("mutual.shop.example"), /alert|ECONNRESET|socket/i);
    const stranger = newAuthority().issue({ dnsNames: ["client.shop.example"] }, period);
    await assert.rejects(call("mutual.shop.example", stranger), /alert|ECONNRESET|socket/i);
  });

  test("a Secret in another namespace than the gateway's pods is not theirs", async () => {
    await assert.rejects(call("foreign.shop.example"), /alert|ECONNRESET|socket|timeout/i);
    const status = await mesh.ok("get gateway edge -o json");
    assert.match(status, /want a Secret with a certificate in the namespace of the gateway/);
  });

  test("an Ingress: hosts and paths with and without TLS, and where it is reached", async () => {
    await mesh.ok("apply -f -", secret("office", pair("office.example")));
    await mesh.ok("apply -f -", INGRESS);
    await answers("office.example");
    const plain = async (path: string): Promise<number> => {
      const [host = "", port = "80"] = mesh.ingress.split(":");
      return new Promise((done, fail) => {
        const sent = requestPlain(
          { host, port, path, headers: { host: "office.example" }, agent: false },
          answer => {
            answer.resume();
            answer.on("end", () => done(answer.statusCode ?? 0));
          },
        );
        sent.on("error", fail);
        sent.end();
      });
    };
    assert.deepEqual(await Promise.all(["/x", "/gone", "/gone/a", "/goner"].map(plain)), [
      ...[200, 503, 503, 200],
    ]);
    await mesh.until("its status has the gateway's address", async () => {
      const listed = await mesh.ok("get ingress office");
      return listed.includes(mesh.ingress.split(":")[0] ?? "none");
    });
    await mesh.until("the log says what is missing", async () =>
      readFileSync(mesh.path("control-plane.log"), "utf8").includes("found no Service missing"),
    );
    await mesh.ok("delete ingress office");
    // Nothing else is on port 80, so that the gateway does not listen there any more.
    await mesh.until("it is gone", () =>
      plain("/x").then(
        () => false,
        () => true,
      ),
    );
  });

  test("no key is shown by the debug interface or in a log", async () => {
    const log = readFileSync(mesh.path("control-plane.log"), "utf8");
    assert.doesNotMatch(log, /PRIVATE KEY/);
  });
});
