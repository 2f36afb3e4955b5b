/** `--set`, files and overlays as istioctl reads them: the field decides what a value is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../src/api/kind.ts";
import { root } from "../../src/bin/command-tree.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import type { Command } from "../../src/cli/command.ts";
import { nameOf, type PlannedObject } from "../../src/install/objects.ts";
import { type Installation, resolveInstallation } from "../../src/install/operator.ts";
import { getAt, parsePath } from "../../src/install/path.ts";
import { render } from "../../src/install/render.ts";
import { parseSetting } from "../../src/install/set-value.ts";

interface Made {
  readonly installation: Installation;
  readonly objects: readonly PlannedObject[];
  readonly warnings: readonly string[];
}

function made(sets: readonly string[], spec?: JsonObject): Made {
  const operators = spec === undefined ? [] : [{ spec }];
  const resolved = resolveInstallation({ operators, sets, version: "1.2.3" });
  assert.ok(resolved.ok, JSON.stringify(resolved.diagnostics));
  const result = render(resolved.value, renderParts("1.2.3", TODAY), { makeDefault: true });
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  const warnings = [...resolved.diagnostics, ...result.diagnostics];
  return {
    installation: resolved.value,
    objects: result.value,
    warnings: warnings.map(({ path, message }) => `${path}: ${message}`),
  };
}

function problems(sets: readonly string[], spec?: JsonObject): string {
  const operators = spec === undefined ? [] : [{ spec }];
  const resolved = resolveInstallation({ operators, sets, version: "1.2.3" });
  const found = resolved.ok
    ? render(resolved.value, renderParts("1.2.3", TODAY), { makeDefault: true }).diagnostics
    : resolved.diagnostics;
  return found.map(({ path, message }) => `${path}: ${message}`).join("\n");
}

function at({ objects }: Made, kind: string, name: string, path: string): Json | undefined {
  const found = objects.find(({ object }) => {
    const own = nameOf(object);
    return own.kind === kind && own.name === name;
  });
  assert.ok(found, `${kind} ${name}`);
  return getAt(found.object, parsePath(path) ?? []);
}

const PILOT = "spec.template.spec.containers[name:discovery]";
const value = (text: string): Json | undefined => parseSetting(text)?.value;

test("a revision is text, whatever it looks like, and never dropped", () => {
  const { installation, objects } = made(["revision=18"]);
  assert.equal(installation.revision, "18");
  const names = objects.map(({ object }) => nameOf(object).name);
  assert.ok(names.includes("istiod-18") && !names.includes("istiod"));
  assert.equal(made(["values.revision=18"]).installation.revision, "18");
  assert.equal(made([], { revision: "18" }).installation.revision, "18");
  const quoted = 'found 18; expected text: put it in quotes, "18"';
  assert.equal(problems([], { revision: 18 }), `spec.revision: ${quoted}`);
  assert.equal(problems([], { values: { revision: 18 } }), `spec.values.revision: ${quoted}`);
  for (const wrong of ["1.8.0", "1.8", "Canary"])
    assert.match(problems([`revision=${wrong}`]), /spec.revision: found ".*"; expected a name/);
});

test("images have the tag as it is written", () => {
  for (const tag of ["1578154376", "1.10", "2.0190806e7", "true", "007"])
    for (const path of ["tag", "values.global.tag", "values.pilot.tag"]) {
      const image = at(made([`${path}=${tag}`]), "Deployment", "istiod", `${PILOT}.image`);
      assert.match(String(image), new RegExp(`:${tag.replaceAll(".", "\\.")}$`), path);
    }
  const { warnings, installation } = made([], { tag: 1.1 });
  assert.equal(installation.tag, "1.1");
  assert.match(warnings.join(), /spec.tag: found the number 1.1, .* put it in quotes/);
});

test("texts by name are texts: metadata of proxies, variables, annotations, labels", () => {
  const { installation } = made([
    "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE=true",
    "meshConfig.defaultConfig.proxyMetadata.LIMIT=1.50",
    "meshConfig.defaultConfig.concurrency=3",
    "meshConfig.enablePrometheusMerge=false",
  ]);
  assert.deepEqual(getAt(installation.meshConfig, parsePath("defaultConfig.proxyMetadata") ?? []), {
    ISTIO_META_DNS_CAPTURE: "true",
    LIMIT: "1.50",
  });
  assert.equal(getAt(installation.meshConfig, parsePath("defaultConfig.concurrency") ?? []), 3);
  assert.equal(installation.meshConfig["enablePrometheusMerge"], false);
  const pilot = made([
    "values.pilot.env.X_VERSION=1.10",
    "values.pilot.podLabels.build=007",
    "values.pilot.podLabels.wave=7",
    "values.pilot.podAnnotations.yes=true",
    "values.pilot.nodeSelector.zone=1",
    "values.pilot.replicaCount=2",
    "values.pilot.autoscaleEnabled=false",
    "components.pilot.k8s.env[0].name=LEVEL",
    "components.pilot.k8s.env[0].value=1.20",
  ]);
  const of = (path: string): Json | undefined => at(pilot, "Deployment", "istiod", path);
  assert.equal(of(`${PILOT}.env[name:X_VERSION].value`), "1.10");
  assert.equal(of(`${PILOT}.env[name:LEVEL].value`), "1.20");
  const metadata = of("spec.template.metadata");
  assert.match(JSON.stringify(metadata), /"build":"007"/);
  assert.match(JSON.stringify(metadata), /"wave":"7"/);
  assert.match(JSON.stringify(metadata), /"yes":"true"/);
  assert.deepEqual(of("spec.template.spec.nodeSelector"), { zone: "1" });
  assert.equal(of("spec.replicas"), 2);
  assert.match(
    problems([], { values: { pilot: { podAnnotations: { yes: true } } } }),
    /podAnnotations.yes: found true; expected text: put it in quotes/,
  );
});

test("the first = divides, commas do not, and a comma behind a backslash is one", () => {
  const service = "values.gateways.istio-ingressgateway.serviceAnnotations";
  const made1 = made([
    `${service}.service\\.beta\\.kubernetes\\.io/aws-load-balancer-internal=0.0.0.0/0`,
    `${service}.service\\.beta\\.kubernetes\\.io/tags=Application=shop, ApplicationGroup=shop`,
    "components.ingressGateways[0].k8s.serviceAnnotations.example\\.com/list=a\\,b",
  ]);
  assert.deepEqual(at(made1, "Service", "istio-ingressgateway", "metadata.annotations"), {
    "service.beta.kubernetes.io/aws-load-balancer-internal": "0.0.0.0/0",
    "service.beta.kubernetes.io/tags": "Application=shop, ApplicationGroup=shop",
    "example.com/list": "a,b",
  });
  const injected = "values.sidecarInjectorWebhook.injectedAnnotations";
  const path = `${injected}.container\\.apparmor\\.security\\.beta\\.kubernetes\\.io/istio-proxy`;
  assert.equal(value(`${path}=runtime/default`), "runtime/default");
  assert.match(
    problems(["hub=registry.example,tag=1"]),
    /--set: found "hub=registry.example,tag=1", and a comma divides nothing; .* for tag=1/,
  );
});

test("values of other fields are what YAML takes them for", () => {
  assert.equal(value("values.pilot.replicaCount=3"), 3);
  assert.equal(value("components.cni.enabled=True"), true);
  assert.equal(value("values.global.proxy.resources.limits.cpu=2"), 2);
  assert.equal(value("values.pilot.cpu=null"), null);
  assert.equal(value("tag=null"), null);
  assert.deepEqual(value("values.global.imagePullSecrets={a,b}"), ["a", "b"]);
  assert.equal(value('values.pilot.traceSampling="1.0"'), "1.0");
  assert.equal(value("meshConfig.trustDomain=7"), "7");
});

test("what stands in the way of a setting is named", () => {
  assert.equal(
    problems(["hub=registry.example", "hub.x=1"]),
    '--set hub.x=1: found "registry.example" at hub; expected an object',
  );
  assert.match(problems(["components[0].x=1"]), /at components; expected a list/);
});

test("a file's list stands in place of the profile's", () => {
  const edge = {
    name: "edge-public",
    namespace: "edge",
    label: { istio: "edge-public", app: "edge-public" },
    k8s: { service: { ports: [{ name: "http2", port: 80, targetPort: 8080 }] } },
  };
  const ingressGateways = [
    { ...edge, enabled: true },
    { name: "edge-private", enabled: false },
  ];
  const gateways = (spec: JsonObject, sets: readonly string[] = []): string[] =>
    made(sets, spec)
      .objects.map(({ object }) => nameOf(object))
      .filter(({ kind, name }) => kind === "Deployment" && name !== "istiod")
      .map(({ name }) => name);
  const components = { ingressGateways };
  assert.deepEqual(gateways({ components }), ["edge-public"]);
  assert.deepEqual(gateways({ components }, ["profile=demo"]).sort(), [
    "edge-public",
    "istio-egressgateway",
  ]);
  // What is named and not switched off is installed.
  assert.deepEqual(gateways({ components: { ingressGateways: [edge] } }), ["edge-public"]);
  const env = (spec: JsonObject): Json | undefined =>
    at(made([], spec), "Deployment", "istiod", `${PILOT}.env`);
  const first = [{ name: "ONE", value: "1" }];
  const spec = { components: { pilot: { k8s: { env: first } } } };
  assert.match(JSON.stringify(env(spec)), /"ONE"/);
});

test("overlays reach keys with dots, items by any field, texts and the end of a list", () => {
  const patches = [
    { path: "metadata.annotations.team\\.example\\.com/owner", value: "mesh" },
    {
      path: "spec.template.spec.containers.[name:discovery].env.[name:REVISION].value",
      value: "o",
    },
    { path: "spec.template.spec.containers.[name:discovery].args.[:--https-addr]", value: "--x" },
    { path: "spec.template.spec.containers.[name:discovery].args.[:^:1501.$]" },
    { path: "spec.template.spec.containers.[name:discovery].args.[-1]", value: "--extra" },
    { path: "spec.template.spec.containers.[name:discovery].args.[:--keepalive]" },
    { path: "spec.template.spec.priorityClassName", value: "system-cluster-critical" },
  ];
  const overlays = [{ kind: "Deployment", name: "istiod", patches }];
  const gateway = {
    name: "istio-ingressgateway",
    enabled: true,
    k8s: {
      overlays: [
        {
          kind: "Service",
          name: "istio-ingressgateway",
          patches: [
            { path: "spec.ports.[port:80].nodePort", value: 30080 },
            { path: "spec.ports.[name:https].name", value: "https-ext" },
          ],
        },
      ],
    },
  };
  const all = made([], {
    components: { pilot: { k8s: { overlays } }, ingressGateways: [gateway] },
  });
  const of = (path: string): Json | undefined => at(all, "Deployment", "istiod", path);
  assert.equal(of("metadata.annotations.team\\.example\\.com/owner"), "mesh");
  assert.equal(of(`${PILOT}.env[name:REVISION].value`), "o");
  assert.deepEqual(of(`${PILOT}.args`), ["discovery", "--x", "--extra"]);
  assert.equal(of("spec.template.spec.priorityClassName"), "system-cluster-critical");
  assert.match(
    all.warnings.join("\n"),
    /patches\[5\].path: Deployment istiod: no item .* --keepalive/,
  );
  const port = (path: string): Json | undefined =>
    at(all, "Service", "istio-ingressgateway", `spec.ports.${path}`);
  assert.equal(port("[port:80].nodePort"), 30080);
  assert.equal(port("[port:443].name"), "https-ext");
});

test("an overlay that can not be carried out is refused", () => {
  const refusal = (path: string, value1: Json): string => {
    const patches = [{ path, value: value1 }];
    const overlays = [{ kind: "Deployment", name: "istiod", patches }];
    return problems([], { components: { pilot: { k8s: { overlays } } } });
  };
  assert.match(refusal(`${PILOT}.args.[:--absent]`, "x"), /no item of the list is --absent/);
  assert.match(refusal("metadata.name.first", "x"), /found "istiod" at metadata.name; expected an/);
});

test("every command that takes --set takes it as it is written", () => {
  const commands = (list: readonly Command[]): Command[] =>
    list.flatMap(each => [each, ...commands(each.subcommands ?? [])]);
  const withSet = commands([root]).filter(({ flags = [] }) => flags.some(f => f.name === "set"));
  assert.ok(withSet.length >= 6, withSet.map(({ name }) => name).join());
  for (const { name, flags = [] } of withSet)
    assert.equal(flags.find(each => each.name === "set")?.kind, "texts", name);
});
