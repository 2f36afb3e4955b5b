/** The Helm charts give the objects that `lateen install` applies, for the same settings. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { VERSION } from "../../../../scripts/images/build.ts";
import type { JsonObject } from "../../src/api/kind.ts";
import { TODAY } from "../../src/bin/install-input.ts";
import { renderParts } from "../../src/bin/install-parts.ts";
import { mergeObjects } from "../../src/install/path.ts";
import { isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import {
  comparable,
  installed,
  type Settings,
  specs,
  withoutKeep,
} from "../support/chart-objects.ts";
import { needsHelm, templated, templateError } from "../support/helm.ts";

const skip = needsHelm();
const SYSTEM = "istio-system";

/** `values.pilot` is at the top in the chart; hub and tag are global. */
function chartValues({ meshConfig, values = {}, profile, revision }: Settings): JsonObject {
  const { pilot, ...rest } = values;
  return {
    ...rest,
    ...(isObject(pilot) ? pilot : {}),
    ...(meshConfig === undefined ? {} : { meshConfig }),
    ...(profile === undefined ? {} : { profile }),
    ...(revision === undefined ? {} : { revision }),
  };
}

async function compareIstiod(
  settings: Settings,
  component: "Pilot" | "IstiodRemote" = "Pilot",
): Promise<void> {
  const global = objectAt(settings.values ?? {}, "global");
  const namespace = stringAt(global, "istioNamespace") || SYSTEM;
  const release = { chart: "istiod", name: "istiod", namespace } as const;
  const objects = await templated({ ...release, values: chartValues(settings) });
  assert.deepEqual(comparable(objects), comparable(installed(settings, component)));
}

const SELECTOR = [{ matchLabels: { a: "b" } }];
const CASES: Readonly<Record<string, Settings>> = {
  "nothing said": {},
  "profile default": { profile: "default" },
  "profile demo": { profile: "demo" },
  "profile minimal": { profile: "minimal" },
  "profile openshift": { profile: "openshift" },
  "profile preview": { profile: "preview" },
  "a revision": { revision: "canary" },
  "another namespace": { values: { global: { istioNamespace: "mesh" } } },
  "a revision in another namespace": {
    revision: "one-2",
    values: { global: { istioNamespace: "mesh" } },
  },
  images: { values: { global: { hub: "registry.example/mesh", tag: 7, variant: "debug" } } },
  "images of the control plane": { values: { pilot: { hub: "one", tag: "two", image: "p" } } },
  "a whole image": { values: { pilot: { image: "registry.example/pilot@sha256:00" } } },
  resources: { values: { pilot: { resources: { requests: { cpu: 2, memory: "3Gi" } } } } },
  "without autoscaler": { values: { pilot: { autoscaleEnabled: false, replicaCount: 3 } } },
  "an autoscaler": {
    values: { pilot: { autoscaleMin: 2, autoscaleMax: 9, cpu: { targetAverageUtilization: 60 } } },
  },
  "without a disruption budget": {
    values: { global: { defaultPodDisruptionBudget: { enabled: false } } },
  },
  "without validation": { values: { global: { configValidation: false } } },
  placement: {
    values: {
      pilot: {
        nodeSelector: { disk: "ssd" },
        tolerations: [{ key: "a", operator: "Exists" }],
        affinity: { nodeAffinity: {} },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone" }],
      },
      global: {
        priorityClassName: "high",
        imagePullPolicy: "Always",
        imagePullSecrets: ["x", "y"],
      },
    },
  },
  "placement of all": {
    values: { global: { defaultNodeSelector: { a: "b" }, defaultTolerations: [{ key: "a" }] } },
  },
  "labels and annotations": {
    values: {
      pilot: {
        podAnnotations: { "prometheus.io/port": "1", "x.example/y": "true" },
        podLabels: { team: "mesh" },
        serviceAnnotations: { a: "b" },
        serviceAccountAnnotations: { "iam.example/role": "r" },
        seccompProfile: { type: "RuntimeDefault" },
      },
    },
  },
  "arguments and variables": {
    values: {
      pilot: { env: { A: "1", B: 2, C: true }, extraContainerArgs: ["--x", "1"] },
      global: { logging: { level: "ads:info,default:debug" }, logAsJson: true },
    },
  },
  rolling: { values: { pilot: { rollingMaxSurge: 1, rollingMaxUnavailable: "0%" } } },
  "dual stack": {
    values: { pilot: { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] } },
  },
  "the mesh": {
    meshConfig: {
      accessLogFile: "/dev/stdout",
      trustDomain: "example.org",
      enablePrometheusMerge: false,
      defaultConfig: { holdApplicationUntilProxyStarts: true, proxyMetadata: { A: "b" } },
    },
    values: {
      global: { meshID: "m1", network: "n1", multiCluster: { clusterName: "c1" } },
      pilot: { traceSampling: 1.5 },
    },
  },
  networks: {
    values: { global: { meshNetworks: { n1: { endpoints: [{ fromRegistry: "c1" }] } } } },
  },
  "a remote address": { values: { global: { remotePilotAddress: "192.0.2.1" } } },
  injection: {
    values: {
      sidecarInjectorWebhook: {
        enableNamespacesByDefault: true,
        neverInjectSelector: SELECTOR,
        alwaysInjectSelector: SELECTOR,
        injectedAnnotations: { a: "b" },
        templates: { more: "spec:\n  x: {{ .Values.global.hub }}\n" },
        defaultTemplates: ["sidecar", "more"],
      },
      global: { proxy: { autoInject: "disabled", logLevel: "info", resources: { limits: null } } },
      istio_cni: { enabled: true },
    },
  },
  "injection everywhere, with a revision": {
    revision: "canary",
    values: { sidecarInjectorWebhook: { enableNamespacesByDefault: true } },
  },
};

const at = (remotePilotAddress: string): JsonObject => ({ global: { remotePilotAddress } });
const REMOTE_CASES: Readonly<Record<string, Settings>> = {
  "profile remote": { profile: "remote", values: at("192.0.2.1") },
  "profile external": { profile: "external", values: at("2001:db8::1") },
  "remote, by name": { profile: "remote", values: at("istiod.example.com") },
  "remote, without an address": { profile: "remote" },
  "remote, with a revision": { profile: "remote", revision: "one", values: at("192.0.2.1") },
  "remote, with its own mesh configuration": {
    profile: "remote",
    meshConfig: { accessLogFile: "/dev/stdout" },
    values: { ...at("192.0.2.1"), pilot: { configMap: true } },
  },
  "remote, injection by URL and everywhere": {
    profile: "remote",
    values: {
      istiodRemote: {
        injectionURL: "https://192.0.2.1:15017/inject",
        injectionPath: "/inject/cluster/c1/net/n1",
      },
      sidecarInjectorWebhook: { enableNamespacesByDefault: true },
    },
  },
};

describe("chart istiod", { skip, timeout: 1_800_000 }, () => {
  for (const [name, settings] of Object.entries(CASES))
    test(`${name}: the objects of the installer`, () => compareIstiod(settings));

  for (const [name, settings] of Object.entries(REMOTE_CASES))
    test(`${name}: the objects of the installer`, () => compareIstiod(settings, "IstiodRemote"));

  test("revisionTags in a cluster with a remote control plane lead there, too", async () => {
    const release = { chart: "istiod", name: "istiod", namespace: SYSTEM } as const;
    const istiodRemote = { injectionURL: "https://192.0.2.1:15017/inject", injectionPath: "/c/x" };
    const values = { profile: "remote", istiodRemote, revision: "one", revisionTags: ["prod"] };
    const objects = comparable(await templated({ ...release, values }));
    const text = JSON.stringify(objects["MutatingWebhookConfiguration/istio-revision-tag-prod"]);
    assert.match(text, /"clientConfig":\{"url":"https:\/\/192\.0\.2\.1:15017\/inject\/c\/x"\}/);
  });

  test("settings together do what each does alone", async () => {
    const all = Object.values(CASES).filter(each => each.revision === undefined);
    const some = fc.subarray(all, { minLength: 2, maxLength: 6 });
    const property = fc.asyncProperty(some, fc.boolean(), async (chosen, named) => {
      const merged = chosen.reduce<JsonObject>((sum, each) => mergeObjects(sum, { ...each }), {});
      await compareIstiod({ ...merged, ...(named ? { revision: "canary" } : {}) });
    });
    await fc.assert(property, { numRuns: 20 });
  });

  test("values under pilot count as those at the top, as Istio's", async () => {
    const release = { chart: "istiod", name: "istiod", namespace: SYSTEM } as const;
    const top = await templated({ ...release, values: { env: { A: "1" } } });
    const below = await templated({ ...release, values: { pilot: { env: { A: "1" } } } });
    assert.deepEqual(below, top);
  });

  test("revisionTags: a webhook for each, that of default serves who names none", async () => {
    const release = { chart: "istiod", name: "istiod-1", namespace: SYSTEM } as const;
    const values = { revision: "one", revisionTags: ["prod", "default"] };
    const objects = comparable(await templated({ ...release, values }));
    const facts = { revision: "one", namespace: SYSTEM, enableNamespacesByDefault: false };
    const expected = renderParts(VERSION, TODAY).defaultTagWebhook(facts);
    const key = "MutatingWebhookConfiguration/istio-revision-tag-default";
    assert.deepEqual(objects[key], comparable([expected])[key]);
    assert.ok(objects["MutatingWebhookConfiguration/istio-revision-tag-prod"]);
  });

  test("tag default of the revision without a name: its own webhooks rest", async () => {
    const release = { chart: "istiod", name: "istiod", namespace: SYSTEM } as const;
    const objects = await templated({ ...release, values: { revisionTags: ["default"] } });
    const options = { makeDefault: true, defaultByTag: true };
    assert.deepEqual(comparable(objects), comparable(installed({}, "Pilot", options)));
  });

  test("unknown values and profiles are refused by name", async () => {
    const release = { chart: "istiod", name: "istiod", namespace: SYSTEM } as const;
    const unknown = await templateError({ ...release, values: { global: { proxi: {} } } });
    assert.match(unknown, /global\.proxi: unknown field "proxi": expected one of .*proxy_init/);
    const proxy = (said: JsonObject): Promise<string> =>
      templateError({ ...release, values: { global: { proxy: said } } });
    assert.match(await proxy({ logLevle: "debug" }), /global\.proxy\.logLevle: unknown field/);
    assert.match(
      await proxy({ autoInject: false }),
      /global\.proxy\.autoInject: found false; expected enabled or disabled/,
    );
    const wrong = await templateError({ ...release, values: { base: 1, cpu: 1, pilot: 1 } });
    assert.match(wrong, /pilot: found 1; expected an object/);
    const odd = { global: { proxy: { privileged: "yes" } } };
    const word = await templateError({ ...release, values: odd });
    assert.match(word, /global\.proxy\.privileged: found "yes"; expected true or false/);
    const profile = await templateError({ ...release, values: { profile: "dmo" } });
    assert.match(profile, /there is no profile "dmo" in this chart/);
  });
});

describe("chart base", { skip, timeout: 1_800_000 }, () => {
  const release = { chart: "base", name: "istio-base" } as const;
  const compare = async (namespace: string, settings: Settings, values: JsonObject) => {
    const objects = comparable(await templated({ ...release, namespace, values }));
    const expected = comparable(installed(settings, "Base"));
    assert.deepEqual(withoutKeep(objects), expected);
  };

  test("CRDs, the reader's account and the validator, as the installer has them", async () => {
    await compare(SYSTEM, {}, {});
    const elsewhere = { global: { istioNamespace: "mesh" } };
    await compare("mesh", { values: elsewhere }, elsewhere);
    const url = { base: { validationURL: "https://192.0.2.1:443/validate" } };
    await compare(SYSTEM, { values: url }, url);
  });

  test("the validator of another default revision, or none", async () => {
    const objects = comparable(
      await templated({ ...release, namespace: SYSTEM, values: { defaultRevision: "one" } }),
    );
    const facts = { revision: "one", namespace: SYSTEM, enableNamespacesByDefault: false };
    const key = "ValidatingWebhookConfiguration/istiod-default-validator";
    const expected = renderParts(VERSION, TODAY).defaultValidator(facts);
    assert.deepEqual(objects[key], comparable([expected])[key]);
    const values = {
      defaultRevision: "",
      base: { excludedCRDs: ["gateways.networking.istio.io"] },
    };
    const none = comparable(await templated({ ...release, namespace: SYSTEM, values }));
    assert.equal(none[key], undefined);
    const crds = Object.keys(none).filter(each => each.startsWith("CustomResourceDefinition/"));
    assert.equal(crds.length, 14);
  });
});

/** Under the names of the installer's, with the numbers of the chart's. */
const PORTS = [
  ["status-port", 15021],
  ["http2", 80],
  ["https", 443],
  ["tcp", 31400],
  ["tls", 15443],
].map(([name = "", port = 0]) => ({ name, port, targetPort: port, protocol: "TCP" }));
const STRATEGY = {
  rollingUpdate: { maxSurge: "100%", maxUnavailable: "25%" },
  type: "RollingUpdate",
};

/** Values of chart gateway, and those of `values.gateways.istio-ingressgateway` that say the same. */
const GATEWAYS: Readonly<Record<string, readonly [JsonObject, JsonObject]>> = {
  "nothing said": [{}, {}],
  "a node port": [{ service: { type: "NodePort" } }, { type: "NodePort" }],
  "inside only": [{ service: { type: "ClusterIP" } }, { type: "ClusterIP" }],
  "a load balancer's settings": [
    {
      service: {
        externalTrafficPolicy: "Local",
        loadBalancerIP: "192.0.2.1",
        loadBalancerSourceRanges: ["192.0.2.0/24"],
        annotations: { "cloud.example/internal": "true" },
      },
    },
    {
      externalTrafficPolicy: "Local",
      loadBalancerIP: "192.0.2.1",
      loadBalancerSourceRanges: ["192.0.2.0/24"],
      serviceAnnotations: { "cloud.example/internal": "true" },
    },
  ],
  "its size": [
    {
      autoscaling: { minReplicas: 2, maxReplicas: 4, targetCPUUtilizationPercentage: 50 },
      resources: { requests: { cpu: "1" } },
    },
    {
      autoscaleMin: 2,
      autoscaleMax: 4,
      cpu: { targetAverageUtilization: 50 },
      resources: { requests: { cpu: "1" } },
    },
  ],
  "a fixed number": [
    { autoscaling: { enabled: false }, replicaCount: 3 },
    { autoscaleEnabled: false, replicaCount: 3 },
  ],
  "placement and variables": [
    {
      env: { A: "1" },
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "a", operator: "Exists" }],
      podAnnotations: { "x.example/y": "z" },
    },
    {
      env: { A: "1" },
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "a", operator: "Exists" }],
      podAnnotations: { "x.example/y": "z" },
    },
  ],
};

describe("chart gateway", { skip, timeout: 1_800_000 }, () => {
  const name = "istio-ingressgateway";
  for (const [what, [chart, installer]] of Object.entries(GATEWAYS))
    test(`${what}: once injected, the gateway of the installer`, async () => {
      const ports = { service: { ports: PORTS } };
      const more = { strategy: STRATEGY, podDisruptionBudget: { minAvailable: 1 } };
      const values = mergeObjects(chart, { ...ports, ...more });
      const release = { chart: "gateway", name, namespace: SYSTEM, values } as const;
      const gateways = { [name]: { ports: PORTS, ...installer } };
      const spec = { values: { gateways } };
      const expected = installed(spec, "IngressGateways");
      assert.deepEqual(specs(await templated(release), spec), specs(expected, spec));
    });

  test("kind DaemonSet, no Service, labels of its own, and a gateway between networks", async () => {
    const values = {
      kind: "DaemonSet",
      service: { type: "None" },
      labels: { istio: "edge", team: "mesh" },
      networkGateway: "n1",
      revision: "canary",
    };
    const release = { chart: "gateway", name: "edge", namespace: "edge", values } as const;
    const objects = comparable(await templated(release));
    assert.deepEqual(Object.keys(objects), ["DaemonSet/edge", "ServiceAccount/edge"]);
    const text = JSON.stringify(objects["DaemonSet/edge"]);
    assert.match(text, /"matchLabels":\{"app":"edge","istio":"edge"\}/);
    assert.match(text, /"istio.io\/rev":"canary"/);
    assert.match(text, /"ISTIO_META_REQUESTED_NETWORK_VIEW","value":"n1"/);
    const network = { networkGateway: "n1" };
    const east = comparable(await templated({ ...release, values: network }));
    assert.match(JSON.stringify(east["Service/edge"]), /"port":15443/);
  });

  test("rbac: a role for the gateway's account where it is asked for", async () => {
    const release = { chart: "gateway", name: "edge", namespace: "edge" } as const;
    const kinds = async (values: JsonObject): Promise<string[]> =>
      Object.keys(comparable(await templated({ ...release, values })));
    assert.ok(!(await kinds({})).some(each => each.includes("Role")));
    const found = await kinds({ rbac: { enabled: true }, serviceAccount: { name: "acme" } });
    assert.deepEqual(
      found.filter(each => each.includes("Role")),
      ["Role/acme", "RoleBinding/acme"],
    );
  });

  test("unknown values are refused by name", async () => {
    const values = { service: { typ: "NodePort" } };
    const release = { chart: "gateway", name, namespace: SYSTEM, values } as const;
    assert.match(await templateError(release), /service\.typ: unknown field "typ"/);
  });
});
