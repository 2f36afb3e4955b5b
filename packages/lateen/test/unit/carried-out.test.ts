/**
 * Fields that give no warning must have an effect: each is decoded from YAML without a word, and
 * then seen in what a proxy is sent.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { kindOfObject } from "../../src/api/registry.ts";
import { buildCase } from "../../src/bin/case-resources.ts";
import type { ReferenceProxy, Resources } from "../../src/debug/compare/case.ts";
import { asJson, isObject, type Json, type JsonObject } from "../../src/debug/compare/json.ts";
import { lines } from "../support/api.ts";

const NOTHING: Resources = { cds: [], eds: [], lds: [], rds: [] };
const SIDECAR = proxy("sidecar", "sleep", { app: "sleep" });
const GATEWAY = proxy("router", "gateway", { istio: "ingressgateway" });
const SELECTED = "selector: {istio: ingressgateway}";

function proxy(type: string, name: string, labels: Record<string, string>): ReferenceProxy {
  const nodeId = `${type}~10.0.0.9~${name}.default~default.svc.cluster.local`;
  return { name, nodeId, metadata: { LABELS: labels, NAMESPACE: "default" }, resources: NOTHING };
}

function objectOf(apiVersion: string, kind: string, name: string, spec: string): Json {
  return asJson({ apiVersion, kind, metadata: { name, namespace: "default" }, spec: parse(spec) });
}

const istio = (kind: string, name: string, spec: string): Json =>
  objectOf("networking.istio.io/v1", kind, name, spec);

const WEB = objectOf(
  "v1",
  "Service",
  "web",
  "{clusterIP: 10.1.0.1, ports: [{name: http, port: 80}]}",
);

/** What `of` gets of these objects, none of which may have a problem. */
function resources(of: ReferenceProxy, ...given: readonly Json[]): Resources {
  const objects = given.filter(isObject);
  for (const object of objects) {
    const kind = kindOfObject(String(object["apiVersion"]), String(object["kind"]));
    assert.ok(kind !== undefined);
    assert.deepEqual(lines(kind.decode(object).diagnostics), []);
  }
  return buildCase({ name: "test", objects, mesh: {}, proxies: [of] })(of);
}

/** The value under the first key of this name, wherever in `json`. */
function find(json: Json | undefined, name: string): Json | undefined {
  if (Array.isArray(json)) {
    for (const item of json) {
      const found = find(item, name);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isObject(json)) return undefined;
  if (Object.hasOwn(json, name)) return json[name];
  for (const value of Object.values(json)) {
    const found = find(value, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function named(list: readonly Json[], name: string): Json | undefined {
  return list.find(each => isObject(each) && each["name"] === name);
}

test("conditions of a VirtualService's match", () => {
  const match = (condition: string): Json | undefined => {
    const spec = `{hosts: [web], http: [{match: [${condition}], route: [{destination: {host: web}}]}]}`;
    const { rds } = resources(SIDECAR, WEB, istio("VirtualService", "web", spec));
    return find(asJson(rds.filter(each => each["name"] === "80")), "match");
  };
  const header = (condition: string): Json | undefined => find(match(condition), "headers");
  assert.deepEqual(find(match('{uri: {regex: "/a.*"}}'), "safeRegex"), { regex: "/a.*" });
  assert.equal(find(match("{uri: {prefix: /a}, ignoreUriCase: true}"), "caseSensitive"), false);
  const exact = (name: string, value: string): Json => [{ name, stringMatch: { exact: value } }];
  assert.deepEqual(header("{method: {exact: GET}}"), exact(":method", "GET"));
  assert.deepEqual(header("{scheme: {exact: https}}"), exact(":scheme", "https"));
  assert.deepEqual(header("{authority: {exact: a.b}}"), exact(":authority", "a.b"));
  assert.deepEqual(header('{headers: {x-a: {regex: "a+"}}}'), [
    { name: "x-a", stringMatch: { safeRegex: { regex: "a+" } } },
  ]);
  assert.deepEqual(header("{withoutHeaders: {x-a: {}, x-b: {exact: b}}}"), [
    { name: "x-a", presentMatch: true, invertMatch: true },
    {
      name: "x-b",
      stringMatch: { exact: "b" },
      invertMatch: true,
      treatMissingHeaderAsEmpty: true,
    },
  ]);
  const query = match('{queryParams: {v: {regex: "1.*"}, exact: {exact: a}, debug: {}}}');
  assert.deepEqual(find(query, "queryParameters"), [
    { name: "debug", presentMatch: true },
    { name: "exact", stringMatch: { exact: "a" } },
    { name: "v", stringMatch: { safeRegex: { regex: "1.*" } } },
  ]);
});

test("a rule whose action is not carried out keeps its requests from the rules after it", () => {
  const spec = `{hosts: [web], http: [
    {match: [{uri: {prefix: /admin}}], directResponse: {status: 403}},
    {route: [{destination: {host: web}}]}]}`;
  const object = istio("VirtualService", "web", spec);
  const objects = [WEB, object].filter(isObject);
  const { rds } = buildCase({ name: "test", objects, mesh: {}, proxies: [SIDECAR] })(SIDECAR);
  const routes = find(asJson(rds.filter(each => each["name"] === "80")), "routes");
  assert.ok(Array.isArray(routes));
  assert.equal(find(routes[0], "prefix"), "/admin");
  assert.deepEqual(find(routes[0], "directResponse"), { status: 501 });
  assert.match(String(find(routes[1], "cluster")), /^outbound\|80\|/);
});

test("how long a guess of a protocol waits, by the mesh or by what is guessed", () => {
  const sniffed = objectOf("v1", "Service", "web", "{clusterIP: 10.1.0.1, ports: [{port: 80}]}");
  const waits = (mesh: JsonObject, ...objects: readonly Json[]): readonly Json[] => {
    const given = { name: "test", objects: objects.filter(isObject), mesh, proxies: [SIDECAR] };
    const { lds } = buildCase(given)(SIDECAR);
    const wait = (name: string) => find(named(lds, name), "listenerFiltersTimeout");
    return [wait("0.0.0.0_80") ?? wait("10.1.0.1_80") ?? "none", wait("virtualInbound") ?? "none"];
  };
  assert.deepEqual(waits({}, sniffed), ["5s", "15s"], "a wrong guess of TLS is the worse one");
  assert.deepEqual(waits({ protocolDetectionTimeout: "3s" }, sniffed), ["3s", "3s"]);
  assert.deepEqual(waits({ protocolDetectionTimeout: "0s" }, sniffed), ["0s", "0s"]);
  assert.deepEqual(waits({ protocolDetectionTimeout: "3s" }, WEB)[0], "0s", "nothing is guessed");
});

test("a Gateway's redirect to HTTPS, and mutual TLS with the mesh's certificates", () => {
  const server = (port: string, tls: string): Resources =>
    resources(
      GATEWAY,
      istio(
        "Gateway",
        "edge",
        `{${SELECTED}, servers: [{port: ${port}, hosts: [a.b], tls: ${tls}}]}`,
      ),
    );
  const redirect = server("{number: 80, name: http, protocol: HTTP}", "{httpsRedirect: true}");
  assert.equal(find(asJson(redirect.rds), "requireTls"), "ALL");
  const tls = "{mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_3, subjectAltNames: [spiffe://x]}";
  const mutual = server("{number: 443, name: https, protocol: HTTPS}", tls);
  const [listener] = mutual.lds;
  assert.equal(find(listener, "requireClientCertificate"), true);
  assert.equal(find(listener, "tlsMinimumProtocolVersion"), "TLSv1_3");
  assert.deepEqual(find(listener, "matchTypedSubjectAltNames"), [
    { sanType: "URI", matcher: { exact: "spiffe://x" } },
  ]);
  assert.deepEqual(find(listener, "serverNames"), ["a.b"]);
});

test("a ServiceEntry's subjectAltNames, where the DestinationRule has none", () => {
  const entry =
    "{hosts: [a.b], ports: [{number: 443, name: s, protocol: HTTP}], resolution: DNS, subjectAltNames: [c.d]}";
  const names = (tls: string): Json | undefined => {
    const rule = `{host: a.b, trafficPolicy: {tls: ${tls}}}`;
    const { cds } = resources(
      SIDECAR,
      istio("ServiceEntry", "out", entry),
      istio("DestinationRule", "out", rule),
    );
    const cluster = named(cds, "outbound|443||a.b");
    assert.equal(find(cluster, "autoSanValidation"), undefined);
    return find(cluster, "matchTypedSubjectAltNames");
  };
  const name = (sanType: string, exact: string): Json => [{ sanType, matcher: { exact } }];
  assert.deepEqual(names("{mode: SIMPLE}"), name("DNS", "c.d"));
  assert.deepEqual(names("{mode: SIMPLE, subjectAltNames: [e.f]}"), name("DNS", "e.f"));
  assert.deepEqual(
    names("{mode: SIMPLE, subjectAltNames: [10.0.0.1]}"),
    name("IP_ADDRESS", "10.0.0.1"),
  );
  assert.deepEqual(names("{mode: SIMPLE, subjectAltNames: [a@e.f]}"), name("EMAIL", "a@e.f"));
  assert.deepEqual(names("{mode: ISTIO_MUTUAL}"), name("DNS", "c.d"));
});

test("the port of a Sidecar's egress listener", () => {
  const other = "{clusterIP: 10.1.0.2, ports: [{name: tcp, port: 81}]}";
  const scope = "{egress: [{port: {number: 81, protocol: HTTP, name: h}, hosts: ['./*']}]}";
  const { lds, cds } = resources(
    SIDECAR,
    WEB,
    objectOf("v1", "Service", "other", other),
    istio("Sidecar", "scope", scope),
  );
  const names = lds.map(each => each["name"]);
  assert.ok(names.includes("0.0.0.0_81"), "the listener says HTTP, so it is on the wildcard");
  assert.ok(!names.includes("0.0.0.0_80"));
  assert.equal(named(cds, "outbound|80||web.default.svc.cluster.local"), undefined);
  assert.notEqual(named(cds, "outbound|81||other.default.svc.cluster.local"), undefined);
});

test("a DestinationRule's credential holds at gateways; sidecars trust the system's roots", () => {
  const tls = "{mode: SIMPLE, sni: a.b, credentialName: out}";
  const objects = [
    istio(
      "ServiceEntry",
      "out",
      "{hosts: [a.b], ports: [{number: 443, name: s, protocol: HTTP}], resolution: DNS}",
    ),
    istio("DestinationRule", "out", `{host: a.b, trafficPolicy: {tls: ${tls}}}`),
  ];
  const root = (proxy: typeof SIDECAR): Json | undefined => {
    const cluster = named(resources(proxy, ...objects).cds, "outbound|443||a.b");
    const secret = find(cluster, "validationContextSdsSecretConfig");
    return find(secret, "name");
  };
  assert.equal(root(GATEWAY), "kubernetes://out-cacert");
  assert.equal(root(SIDECAR), "file-root:system");
});

test("a Gateway's certificates: a Secret, files, or the mesh's own", () => {
  const server = (tls: string): Json | undefined => {
    const port = "{number: 443, name: https, protocol: HTTPS}";
    const spec = `{${SELECTED}, servers: [{port: ${port}, hosts: [a.b], tls: ${tls}}]}`;
    return resources(GATEWAY, istio("Gateway", "edge", spec)).lds[0];
  };
  const certificate = (tls: string): Json | undefined =>
    find(find(server(tls), "tlsCertificateSdsSecretConfigs"), "name");
  const roots = (tls: string): Json | undefined =>
    find(find(server(tls), "validationContextSdsSecretConfig"), "name");
  assert.equal(certificate("{mode: SIMPLE, credentialName: c}"), "kubernetes://c");
  assert.equal(roots("{mode: SIMPLE, credentialName: c}"), undefined);
  assert.equal(roots("{mode: MUTUAL, credentialName: c}"), "kubernetes://c-cacert");
  const files = "serverCertificate: /c.pem, privateKey: /k.pem";
  assert.equal(certificate(`{mode: SIMPLE, ${files}}`), "file-cert:/c.pem~/k.pem");
  assert.equal(roots(`{mode: MUTUAL, ${files}, caCertificates: /r.pem}`), "file-root:/r.pem");
  assert.equal(certificate("{mode: ISTIO_MUTUAL}"), "default");
});
