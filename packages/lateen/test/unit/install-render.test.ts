/** What an installation of each profile consists of, and what settings change in it. */
import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import { FLAGS_READ } from "../../src/install/istiod-flags.ts";
import { nameOf, type PlannedObject } from "../../src/install/objects.ts";
import { type InstallInput, resolveInstallation } from "../../src/install/operator.ts";
import { getAt, parsePath } from "../../src/install/path.ts";
import { PROFILES } from "../../src/install/profiles.ts";
import { render } from "../../src/install/render.ts";
import { isArray, isObject } from "../../src/sources/json.ts";

/** `UPDATE_GOLDEN=1` writes the files anew; look at the difference before you commit it. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";
const BIN = join(import.meta.dirname, "../../src/bin");
const testdata = join(import.meta.dirname, "../../src/install/testdata");

function rendered(
  sets: readonly string[],
  more: Partial<InstallInput> = {},
): readonly PlannedObject[] {
  const input = { operators: [], version: "1.2.3", ...more, sets };
  const resolved = resolveInstallation(input);
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  const makeDefault = resolved.value.revision === "default";
  const result = render(resolved.value, renderParts("1.2.3", TODAY), { makeDefault });
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

function problemsOf(sets: readonly string[], operators: readonly JsonObject[] = []): string[] {
  const resolved = resolveInstallation({ operators, sets, version: "1.2.3" });
  const render1 = (): readonly { path: string; message: string }[] => {
    if (!resolved.ok) return resolved.diagnostics;
    const result = render(resolved.value, renderParts("1.2.3", TODAY), { makeDefault: true });
    return [...resolved.diagnostics, ...result.diagnostics];
  };
  return render1().map(({ path, message }) => `${path}: ${message}`);
}

function find(objects: readonly PlannedObject[], kind: string, name: string): JsonObject {
  const found = objects.find(({ object }) => {
    const own = nameOf(object);
    return own.kind === kind && own.name === name;
  });
  assert.ok(found, `${kind} ${name}`);
  return found.object;
}

function at(object: JsonObject, path: string): Json | undefined {
  return getAt(object, parsePath(path) ?? []);
}

/** CRDs have goldens of their own, and so has the proxy that injection writes. */
function compact(object: JsonObject): JsonObject {
  if (object["kind"] === "CustomResourceDefinition") return { crd: nameOf(object).name };
  const short = (value: Json): Json => {
    if (isArray(value)) return value.map(short);
    if (isObject(value))
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, short(each)]));
    const isLong = typeof value === "string" && value.length > 200 && value.startsWith('{"');
    return isLong ? `(${Object.keys(JSON.parse(value)).join(", ")})` : value;
  };
  const result = short(object);
  return isObject(result) ? result : {};
}

/** In full where they differ in more than what is there. */
const IN_FULL = new Set(["default", "demo", "remote"]);

for (const profile of PROFILES)
  test(`the objects of profile ${profile}`, () => {
    const objects = rendered([`profile=${profile}`]);
    const style = { indentSeq: false, sortMapEntries: true, lineWidth: 0 };
    const now = IN_FULL.has(profile)
      ? objects
          .map(({ object }) =>
            stringify(compact(object), { ...style, aliasDuplicateObjects: false }),
          )
          .join("---\n")
      : objects.map(({ object }) => `- ${Object.values(nameOf(object)).join(":")}\n`).join("");
    const path = join(testdata, `${profile}.golden.yaml`);
    if (UPDATE) writeFileSync(path, now);
    assert.equal(now, readFileSync(path, "utf8"));
  });

test("settings reach what they are about", () => {
  const objects = rendered([
    "profile=demo",
    "hub=registry.example/mesh",
    "tag=7",
    "meshConfig.accessLogEncoding=JSON",
    "values.pilot.env.EXTRA=1",
    "values.global.imagePullSecrets={one,two}",
    "components.pilot.k8s.replicaCount=3",
    "components.ingressGateways[0].k8s.service.type=NodePort",
    "components.egressGateways[name:istio-egressgateway].enabled=false",
    "values.pilot.podAnnotations.example\\.com/a=b",
  ]);
  const istiod = find(objects, "Deployment", "istiod");
  assert.equal(at(istiod, "spec.replicas"), 3);
  const container = "spec.template.spec.containers[name:discovery]";
  assert.equal(at(istiod, `${container}.image`), "registry.example/mesh/pilot:7");
  assert.equal(at(istiod, `${container}.env[name:EXTRA].value`), "1");
  assert.equal(at(istiod, "spec.template.metadata.annotations.example\\.com/a"), "b");
  assert.deepEqual(at(istiod, "spec.template.spec.imagePullSecrets"), [
    { name: "one" },
    { name: "two" },
  ]);
  assert.equal(at(find(objects, "Service", "istio-ingressgateway"), "spec.type"), "NodePort");
  assert.equal(
    at(
      find(objects, "Deployment", "istio-ingressgateway"),
      "spec.template.spec.containers[name:istio-proxy].image",
    ),
    "registry.example/mesh/proxyv2:7",
  );
  assert.match(String(at(find(objects, "ConfigMap", "istio"), "data.mesh")), /Encoding: JSON/);
  assert.ok(!objects.some(({ object }) => nameOf(object).name === "istio-egressgateway"));
});

test("a gateway has the worker threads of its CPU limit, wherever that is said", () => {
  const container = "spec.template.spec.containers[name:istio-proxy]";
  const threads = (...sets: string[]): string => {
    const gateway = find(rendered(sets), "Deployment", "istio-ingressgateway");
    const args = at(gateway, `${container}.args`);
    assert.ok(isArray(args));
    return String(args[args.indexOf("--concurrency") + 1]);
  };
  assert.equal(threads("components.ingressGateways[0].k8s.resources.limits.cpu=3500m"), "4");
  assert.equal(threads("values.gateways.istio-ingressgateway.resources.limits.cpu=1"), "1");
  assert.equal(threads("meshConfig.defaultConfig.concurrency=7"), "7");
});

test("a revision has its own objects, and shares those of the cluster", () => {
  const canary = rendered(["profile=minimal"], { revision: "canary" });
  const plain = rendered(["profile=minimal"]);
  const key = ({ object }: PlannedObject): string => Object.values(nameOf(object)).join("/");
  const shared = canary.map(key).filter(each => plain.map(key).includes(each));
  const own = shared.filter(each => !each.startsWith("CustomResourceDefinition/"));
  assert.deepEqual(own, [
    "Namespace//istio-system",
    "ServiceAccount/istio-system/istio-reader-service-account",
    "ClusterRole//istio-reader-clusterrole-istio-system",
    "ClusterRoleBinding//istio-reader-clusterrole-istio-system",
  ]);
  const args = at(
    find(canary, "Deployment", "istiod-canary"),
    "spec.template.spec.containers[0].args",
  );
  assert.deepEqual(args, ["discovery", "--https-addr", ":15017", "--revision", "canary"]);
  const mesh = String(at(find(canary, "ConfigMap", "istio-canary"), "data.mesh"));
  assert.match(mesh, /discoveryAddress: istiod-canary\.istio-system\.svc:15012/);
});

test("files are laid over one another, settings over files, overlays over objects", () => {
  const operator = (spec: JsonObject): JsonObject => ({ kind: "IstioOperator", spec });
  const overlays = [
    {
      kind: "Deployment",
      name: "istiod",
      patches: [
        { path: "spec.template.spec.containers.[name:discovery].args.[1]", value: "--patched" },
        { path: "spec.strategy" },
      ],
    },
  ];
  const pilot = { k8s: { overlays } };
  const operators = [
    operator({ profile: "minimal", hub: "one", tag: "one" }),
    operator({ hub: "two", components: { pilot } }),
  ];
  const objects = rendered(["tag=three"], { operators });
  const istiod = find(objects, "Deployment", "istiod");
  assert.equal(at(istiod, "spec.template.spec.containers[0].image"), "two/pilot:three");
  assert.equal(at(istiod, "spec.template.spec.containers[0].args[1]"), "--patched");
  assert.equal(at(istiod, "spec.strategy"), undefined);
});

test("what is wrong is named, with what is near", () => {
  assert.deepEqual(problemsOf(["profile=dmo"]), [
    'profile: there is no profile "dmo": did you mean demo?',
  ]);
  assert.deepEqual(problemsOf(["values.pilot.autoscaleMim=1"]), [
    'spec.values.pilot.autoscaleMim: unknown field "autoscaleMim": did you mean autoscaleMin?',
  ]);
  assert.match(problemsOf(["hub"]).join(), /--set: found "hub"; expected PATH=VALUE/);
  assert.match(problemsOf(["components=3"]).join(), /spec.components: found 3; expected an object/);
  assert.deepEqual(problemsOf(["components.pilot.enabled=yes"]), [
    'spec.components.pilot.enabled: found "yes"; expected true or false',
  ]);
  assert.deepEqual(problemsOf(["components.egressGateways[0].enabled=0"]), [
    "spec.components.egressGateways[0].enabled: found 0; expected true or false",
  ]);
  const odd = "spec.values.global.logAsJson: found";
  const operator1 = { spec: { values: { global: { logAsJson: "true" } } } };
  assert.deepEqual(problemsOf([], [operator1]), [`${odd} "true"; expected true or false`]);
  for (const path of [
    "pilot.autoscaleEnabled",
    "pilot.cni.enabled",
    "base.enableCRDTemplates",
    "gateways.istio-ingressgateway.autoscaleEnabled",
    "global.configValidation",
    "global.defaultPodDisruptionBudget.enabled",
    "global.proxy.privileged",
    "global.proxy.startupProbe.enabled",
    "istio_cni.enabled",
    "sidecarInjectorWebhook.rewriteAppHTTPProbe",
  ])
    assert.deepEqual(problemsOf([`values.${path}=no`]), [
      `spec.values.${path}: found "no"; expected true or false`,
    ]);
  assert.deepEqual(problemsOf(["components.pilot.k8s.replicaCount=three"]), [
    'spec.components.pilot.k8s.replicaCount: found "three"; expected a whole number from 0',
  ]);
  assert.match(
    problemsOf(["meshConfig.enableTracing=on"]).join(),
    /enableTracing: found a string \("on"\)/,
  );
  assert.deepEqual(problemsOf(["values.global.proxy.privileged=true"]), []);
  assert.match(problemsOf(["revision=A_b"]).join(), /spec.revision: found "A_b"/);
  assert.match(problemsOf(["meshConfig.trustDomain={a}"]).join(), /spec.meshConfig.trustDomain: /);
  assert.match(problemsOf(["components.cni.enabled=true"]).join(), /cni is not carried out/);
  assert.deepEqual(problemsOf(["values.pilot.env.ENABLE_NATIVE_SIDECARS=true"]), []);
  assert.match(problemsOf(["values.global.sts.x=1"]).join(), /not carried out: it has no effect/);
  const overlays = [{ kind: "Deployment", name: "pilot", patches: [] }];
  const operator = { spec: { components: { pilot: { k8s: { overlays } } } } };
  const missing = problemsOf([], [operator]).join();
  assert.match(missing, /overlays\[0\]: there is no Deployment pilot; expected one of .*istiod/);
});

test("below the values of proxies and injection, too, a path without a meaning is refused", () => {
  for (const [path, wrong, near] of [
    ["global.proxy", "logLevle", "logLevel"],
    ["global.proxy.startupProbe", "enable", "enabled"],
    ["global.proxy_init", "imag", "image"],
    ["global.multiCluster", "clusterNam", "clusterName"],
    ["sidecarInjectorWebhook", "template", "templates"],
    ["istio_cni", "enable", "enabled"],
    ["pilot.cni", "enable", "enabled"],
  ])
    assert.deepEqual(problemsOf([`values.${path}.${wrong}=x`]), [
      `spec.values.${path}.${wrong}: unknown field "${wrong}": did you mean ${near}?`,
    ]);
  const idle = /not carried out: it has no effect/;
  for (const path of ["global.proxy.tracer", "sidecarInjectorWebhook.reinvocationPolicy"])
    assert.match(problemsOf([`values.${path}=x`]).join(), idle);
});

test("variables of the control plane: read, Istio's own without effect, and those that nothing reads", () => {
  const problems = (...names: string[]): string[] =>
    problemsOf(names.map(name => `values.pilot.env.${name}=1`));
  assert.deepEqual(problems("ENABLE_NATIVE_SIDECARS", "ISTIO_DUAL_STACK", "NODE_OPTIONS"), []);
  assert.match(problems("PILOT_HTTP10").join(), /PILOT_HTTP10: .*not carried out/);
  assert.deepEqual(problems("ENABLE_NATIVE_SIDECAR"), [
    "spec.values.pilot.env.ENABLE_NATIVE_SIDECAR: nothing reads ENABLE_NATIVE_SIDECAR; " +
      "did you mean ENABLE_NATIVE_SIDECARS?",
  ]);
  assert.match(
    problemsOf(["components.pilot.k8s.env[0].name=PILOT_HTTP10"]).join(),
    /components.pilot.k8s.env.PILOT_HTTP10: .*not carried out/,
  );
});

test("what reads a variable of Istio's is in the list of those", () => {
  for (const path of globSync("*.ts", { cwd: BIN })) {
    const text = readFileSync(join(BIN, path), "utf8");
    for (const [, name = ""] of text.matchAll(/"((?:CITADEL|ISTIOD|PILOT)(?:_[A-Z0-9]+)+)"/g))
      assert.ok(FLAGS_READ.includes(name), `${path}: ${name}`);
  }
});

test("the injection policy is that of autoInject", () => {
  const policy = (...sets: string[]): string => {
    const map = find(rendered(["profile=minimal", ...sets]), "ConfigMap", "istio-sidecar-injector");
    return /policy: \w+/.exec(String(at(map, "data.config")))?.[0] ?? "";
  };
  assert.equal(policy(), "policy: enabled");
  assert.equal(policy("values.global.proxy.autoInject=disabled"), "policy: disabled");
  // A gateway says itself that it is to be injected.
  const gateway = find(
    rendered(["values.global.proxy.autoInject=disabled"]),
    "Deployment",
    "istio-ingressgateway",
  );
  assert.match(JSON.stringify(gateway), /"--concurrency"/);
  assert.deepEqual(problemsOf(["values.global.proxy.autoInject=false"]), [
    "spec.values.global.proxy.autoInject: found false; expected enabled or disabled",
  ]);
});

test("what is refused or left out in words of its own", () => {
  const said = (...sets: string[]): string => problemsOf(sets).join("\n");
  assert.match(said("values.global.nativeNftables=true"), /nativeNftables: not carried out: .*nft/);
  assert.equal(said("values.global.nativeNftables=false"), "");
  const variant = "values.global.variant=distroless";
  assert.match(said(variant), /variant: there are no image variants/);
  const istiod = find(rendered(["tag=7", variant]), "Deployment", "istiod");
  const image = at(istiod, "spec.template.spec.containers[name:discovery].image");
  assert.equal(image, "localhost/lateen/pilot:7");
  assert.match(said("values.global.platform=gcp"), /nothing depends on platform gcp/);
  for (const profile of ["ambient", "openshift-ambient"])
    assert.match(said(`profile=${profile}`), /ambient mode is not carried out.*expected one of/);
  assert.match(said("profile=stable"), /no profile "stable": expected one of default, demo/);
});

test("profile openshift says which grants pods need", () => {
  const platform = (...sets: string[]): string =>
    problemsOf(["profile=openshift", ...sets]).find(each => each.includes("platform")) ?? "";
  assert.match(platform(), /istio-init is root.*add-scc-to-group privileged/);
  const programmed = platform("values.pilot.cni.enabled=true");
  assert.ok(!/privileged/.test(programmed) && /add-scc-to-group nonroot-v2/.test(programmed));
});

test("amounts that the API server would refuse are found before anything is applied", () => {
  for (const path of [
    "values.pilot.resources",
    "values.gateways.istio-ingressgateway.resources",
    "values.global.proxy.resources",
    "values.global.proxy_init.resources",
    "components.pilot.k8s.resources",
  ])
    assert.deepEqual(problemsOf([`${path}.requests.cpu=abc`]), [
      `spec.${path}.requests.cpu: found "abc"; expected a quantity such as 500m or 2Gi`,
    ]);
  const ofPilot = (set: string): string[] => problemsOf([`values.pilot.resources.${set}`]);
  for (const good of ["1", "0.5", "500m", "2Gi", "1.5G", "1e3", "100n", "12E", ".5", "+2k"])
    assert.deepEqual(ofPilot(`requests.cpu=${good}`), [], good);
  for (const bad of ["-1", "1 Gi", "1gi", "1K", "{1}", "true", "Gi", "1e"])
    assert.match(ofPilot(`requests.cpu=${bad}`).join(), /cpu: found .*; expected a quantity/, bad);
  assert.deepEqual(ofPilot("limits.cpu=400m"), [
    'spec.values.pilot.resources.limits.cpu: found "400m"; expected at least the request, 500m',
  ]);
  assert.match(
    problemsOf(["values.pilot.resources=1Gi"]).join(),
    /expected an object with requests/,
  );
  assert.match(ofPilot("requests=1Gi").join(), /requests: found "1Gi"; expected an object/);
});

test("clusters without a control plane of their own are told what leads to none", () => {
  const path = "spec.values.global.remotePilotAddress";
  const end =
    "unless a Service istiod in namespace istio-system leads to it; expected its IP address or host name";
  const pods = "pods that ask for injection are refused";
  const proxies = "proxies get no configuration";
  for (const profile of ["remote", "external"]) {
    const set = `profile=${profile}`;
    const without = `${path}: no address of the control plane:`;
    assert.deepEqual(problemsOf([set]), [`${without} ${pods}, and ${proxies}, ${end}`]);
    const url = "values.istiodRemote.injectionURL=https://192.0.2.1/inject";
    assert.deepEqual(problemsOf([set, url]), [`${without} ${proxies}, ${end}`]);
    assert.deepEqual(problemsOf([set, "values.global.remotePilotAddress=192.0.2.1"]), []);
  }
});

test("paths that would reach beyond the object are none", () => {
  for (const path of ["__proto__.x", "a.__proto__.b", "", ".", "a..b", "a[b", "[0]", "a[-2]"])
    assert.equal(parsePath(path), undefined, path);
});

test("both IP families: control plane, sidecars and gateways", () => {
  const policy = "ipFamilyPolicy=RequireDualStack";
  const ingress = "istio-ingressgateway";
  const objects = rendered([
    "values.pilot.ipFamilies={IPv4,IPv6}",
    `values.pilot.${policy}`,
    `values.gateways.${ingress}.${policy}`,
  ]);
  for (const name of ["istiod", ingress])
    assert.equal(at(find(objects, "Service", name), "spec.ipFamilyPolicy"), "RequireDualStack");
  const values = at(find(objects, "ConfigMap", "istio-sidecar-injector"), "data.values");
  assert.deepEqual(JSON.parse(String(values)).pilot.ipFamilies, ["IPv4", "IPv6"]);
  const gateway = JSON.stringify(find(objects, "Deployment", ingress));
  assert.match(gateway, /"INSTANCE_IPS"/);
});
