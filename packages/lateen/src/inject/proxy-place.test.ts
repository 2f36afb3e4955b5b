/** Pods and templates that say something of istio-proxy itself, wherever and as whomever it runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { type InjectedPod, injectKubePod } from "./pod-injection.ts";
import { configOf, modern, older } from "./testdata/cases.ts";
import { injectYaml } from "./yaml-injection.ts";

interface Asked {
  readonly spec: JsonObject;
  readonly annotations?: JsonObject;
  readonly config?: string;
  readonly mesh?: string;
  readonly native?: boolean;
}

function inject({ spec, annotations = {}, config = "", mesh = "", native }: Asked): InjectedPod {
  return injectKubePod({
    pod: { metadata: { name: "p", annotations }, spec },
    namespace: "web",
    config: configOf({ config, values: "{}", mesh }),
    features: native === false ? older : modern,
    version: "1.0",
  });
}

function injected(asked: Asked): { spec: JsonObject; warnings: readonly string[] } {
  const result = inject(asked);
  assert.ok(result.ok && result.injected, JSON.stringify(result));
  const warnings = result.warnings.map(({ path, message }) => `${path}: ${message}`);
  return { spec: objectAt(result.pod, "spec"), warnings };
}

function container(spec: JsonObject, name: string): JsonObject {
  const all = [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")].filter(isObject);
  const found = all.filter(each => each["name"] === name);
  assert.equal(found.length, 1, `${name}: ${found.length}`);
  return found[0] ?? {};
}

const app: JsonObject = { name: "app", image: "app:1" };
const own = (securityContext: JsonObject): JsonObject => ({
  name: "istio-proxy",
  image: "auto",
  securityContext,
});

/** The users and groups whose traffic istio-init lets pass. */
function owners(spec: JsonObject): string {
  const script = String(arrayAt(container(spec, "istio-init"), "args")[0]);
  const found = script.matchAll(/-A ISTIO_OUTPUT -m owner --(uid|gid)-owner (\d+) -j RETURN/g);
  return [...new Set([...found].map(([, kind, id]) => `${kind} ${id}`))].join(", ");
}

test("the rules are about the user that istio-proxy ends up with", () => {
  const of = (securityContext: JsonObject, more: Partial<Asked> = {}): string =>
    owners(injected({ spec: { containers: [app, own(securityContext)] }, ...more }).spec);
  assert.equal(of({}), "uid 1337, gid 1337");
  assert.equal(of({ runAsUser: 2000, runAsGroup: 3000 }), "uid 2000, gid 3000");
  assert.equal(of({ runAsUser: 2000 }), "uid 2000, gid 1337");
  assert.equal(of({ runAsGroup: 3000 }, { native: false }), "uid 1337, gid 3000");
  // TPROXY needs root, which is not to let all that is root in the pod pass.
  assert.equal(of({}, { mesh: "defaultConfig: {interceptionMode: TPROXY}" }), "uid 1337, gid 1337");
  const template = "spec: {containers: [{name: istio-proxy, securityContext: {runAsUser: 7}}]}";
  const config = `defaultTemplates: [sidecar, mine]\ntemplates: {mine: ${JSON.stringify(template)}}`;
  for (const native of [true, false])
    assert.equal(
      owners(injected({ spec: { containers: [app] }, config, native }).spec),
      "uid 7, gid 1337",
    );
});

test("istio-proxy does not take the application's user, whose traffic would pass it by", () => {
  const shared = { runAsUser: 1_000_650_000 };
  const asked = { spec: { containers: [{ ...app, securityContext: shared }, own(shared)] } };
  const { spec, warnings } = injected(asked);
  const context = objectAt(container(spec, "istio-proxy"), "securityContext");
  assert.equal(context["runAsUser"], 1337);
  assert.equal(owners(spec), "uid 1337, gid 1337");
  assert.deepEqual(warnings, []);
  // Said once for all containers.
  const byPod = injected({
    spec: { securityContext: shared, containers: [app, own({ ...shared, runAsGroup: 5 })] },
  });
  assert.equal(owners(byPod.spec), "uid 1337, gid 1337");
});

test("an application that runs as istio-proxy does is named", () => {
  const { warnings } = injected({
    spec: { containers: [{ ...app, securityContext: { runAsUser: 1337 } }] },
  });
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0] ?? "",
    /spec.containers\[app\].*runAsUser: found 1337, the user of istio-/,
  );
});

test("a template reaches istio-proxy where it stands, and null takes a field away", () => {
  const overlay = {
    spec: {
      containers: [{ name: "istio-proxy", env: [{ name: "CA_PROVIDER", value: "spire" }] }],
      volumes: [{ name: "scratch", emptyDir: null, csi: { driver: "csi.example.com" } }],
    },
  };
  const asInit = { spec: { initContainers: overlay.spec.containers } };
  const spec = { containers: [app], volumes: [{ name: "scratch", emptyDir: {} }] };
  for (const template of [overlay, asInit])
    for (const native of [true, false]) {
      const config = JSON.stringify({ templates: { spire: JSON.stringify(template) } });
      const annotations = { "inject.istio.io/templates": "sidecar,spire" };
      const result = injected({ spec, annotations, config, native }).spec;
      const proxy = container(result, "istio-proxy");
      assert.ok(typeof proxy["image"] === "string");
      assert.match(JSON.stringify(proxy["env"]), /"CA_PROVIDER"/);
      const list = native ? "initContainers" : "containers";
      const names = arrayAt(result, list)
        .filter(isObject)
        .map(each => stringAt(each, "name"));
      assert.ok(names.includes("istio-proxy"));
      if (template === overlay)
        assert.deepEqual(arrayAt(result, "volumes")[0], {
          name: "scratch",
          csi: { driver: "csi.example.com" },
        });
    }
});

test("a template may take an init container of ours away, wherever it looks for it", () => {
  const gone = { spec: { containers: [{ name: "istio-init", $patch: "delete" }] } };
  const config = JSON.stringify({
    defaultTemplates: ["sidecar", "bare"],
    templates: { bare: JSON.stringify(gone) },
  });
  const { spec } = injected({ spec: { containers: [app] }, config });
  const names = arrayAt(spec, "initContainers")
    .filter(isObject)
    .map(each => stringAt(each, "name"));
  assert.deepEqual(names, ["istio-proxy"]);
});

const BROKER = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: broker, namespace: shop}
spec:
  serviceName: broker
  selector: {matchLabels: {app: broker}}
  template:
    metadata: {labels: {app: broker}}
    spec:
      securityContext: {fsGroup: 1000, runAsNonRoot: true, runAsUser: 1000, supplementalGroups: [7]}
      imagePullSecrets: [{name: own}]
      dnsPolicy: None
      dnsConfig: {nameservers: [10.0.0.53], searches: [corp.example]}
      containers:
      - {name: broker, image: example/broker, volumeMounts: [{name: data, mountPath: /data}]}
      volumes: [{name: configuration, configMap: {name: broker-config}}]
  volumeClaimTemplates: [{metadata: {name: CLAIM}, spec: {}}]
`;

test("a StatefulSet's claims are volumes of its pods, and what the pod says stays", () => {
  const options = {
    config: configOf({ config: "", values: "{}", mesh: "" }),
    features: modern,
    version: "1.0",
    namespace: "",
  };
  const result = injectYaml(BROKER.replace("CLAIM", "data"), options);
  assert.ok(result.ok, JSON.stringify(result));
  assert.match(result.value, /fsGroup: 1000, runAsNonRoot: true, runAsUser: 1000/);
  assert.match(result.value, /name: own/);
  assert.match(result.value, /nameservers: \[ 10.0.0.53 \], searches: \[ corp.example \]/);
  assert.match(result.value, /name: configuration/);
  // The claim is the controller's matter: no volume of its name is added to the template.
  assert.equal(result.value.match(/name: data\b/g)?.length, 2);
  const other = injectYaml(BROKER.replace("CLAIM", "other"), options);
  assert.match(
    JSON.stringify(other),
    /volumeMounts\[0\].name: found \\"data\\"|found \\"data\\", want/,
  );
});
