/** A real kubectl (from PATH) against a running mesh. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { demoapp } from "../support/demoapp.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const noKubectl = spawnSync("kubectl", ["version", "--client"]).error !== undefined;
const skip = whyNoMesh() ?? (noKubectl ? "kubectl is not on PATH" : false);

const GATEWAY = `
apiVersion: networking.istio.io/v1beta1
kind: Gateway
metadata: {name: web-gateway, namespace: istio-system}
spec:
  selector: {app: istio-ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [web.example]
`;

const virtualService = (spec: object) =>
  JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web" },
    spec: { hosts: ["web.example"], gateways: ["istio-system/web-gateway"], ...spec },
  });
const to = (more: object = {}) => ({ destination: { host: "web" }, ...more });
const ROUTES = virtualService({ http: [{ route: [to()] }] });

const RULE = `
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: web}
spec: {host: web, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
`;

const WRITES = ["sh", "-c", "printf 'one\\ntwo\\nthree\\nfour\\n'; sleep 1000"];

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  [
    "an unknown field",
    virtualService({ http: [{ route: [to()], retrys: { attempts: 1 } }] }),
    /spec\.http\[0\]\.retrys/,
  ],
  [
    "weights that say nothing",
    virtualService({ http: [{ route: [to({ weight: -1 }), to({ weight: 101 })] }] }),
    /spec\.http\[0\]\.route\[0\]\.weight.*-1/,
  ],
  [
    "a wrong type",
    virtualService({ http: { route: [to()] } }),
    /spec\.http: found an object, want a list/,
  ],
];

describe("kubectl and a running mesh", { skip }, () => {
  let mesh: RunningMesh;

  const kubectl = async (words: string | readonly string[], stdin?: string) => {
    const ran = await mesh.kubectl(words, stdin);
    assert.equal(ran.code, 0, `kubectl ${words}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };

  before(async () => {
    mesh = await RunningMesh.start();
    await kubectl("label namespace default istio-injection=enabled");
    await kubectl("apply -f -", demoapp({ name: "web", replicas: 2 }));
  });
  after(() => mesh?.stop());

  test("apply and rollout status", async () => {
    assert.match(
      await kubectl("rollout status deploy/web --timeout=60s"),
      /deployment "web" successfully rolled out/,
    );
    assert.match(await kubectl("get pods"), /^web-\S+ +2\/2 +Running +0 +\d+s$/m);
    assert.match(await kubectl("apply -f -", GATEWAY), /gateway\S* created/);
    assert.match(await kubectl("apply -f -", ROUTES), /virtualservice\S* created/);
    assert.match(await kubectl("apply -f -", RULE), /destinationrule\S* created/);
  });

  test("get gw,vs,dr -A and -o yaml", async () => {
    const table = await kubectl("get gw,vs,dr -A");
    assert.match(table, /^istio-system +gateway\.networking\.istio\.io\/web-gateway +\d+s$/m);
    assert.match(
      table,
      /^default +virtualservice\.networking\.istio\.io\/web +\["istio-system\/web-gateway"\] +\["web\.example"\] +\d+s$/m,
    );
    assert.match(table, /^default +destinationrule\.networking\.istio\.io\/web +web +\d+s$/m);
    assert.match(await kubectl("get dr web -o yaml"), /^ {6}simple: ROUND_ROBIN$/m);
  });

  test("logs, exec and cp reach into pods, and port-forward names the line that does it", async () => {
    const [web = ""] = await mesh.pods("web-");
    const [first] = (await kubectl(`get pod ${web} -o jsonpath={.spec.containers[*].name}`)).split(
      " ",
    );
    const inPod = (...words: string[]) => ["exec", web, "-c", first ?? "", "--", ...words];
    const ran = await mesh.kubectl(inPod("sh", "-c", "hostname; echo no >&2; exit 7"));
    assert.deepEqual([ran.code, ran.stdout], [7, `${web}\n`]);
    assert.match(ran.stderr, /^no\n/);
    const input = "x".repeat(1_000_000);
    const counting = ["exec", "-i", web, "-c", first ?? "", "--", "wc", "-c"];
    assert.match(await kubectl(counting, input), /^1000000\n/);
    const file = mesh.path("copied.txt");
    writeFileSync(file, "some text\n".repeat(1000));
    await kubectl(["cp", file, `${web}:/tmp/copied.txt`, "-c", first ?? ""]);
    assert.equal((await kubectl(inPod("wc", "-c", "/tmp/copied.txt"))).split(" ")[0], "10000");
    await kubectl("apply -f -", demoapp({ name: "writer", command: WRITES }));
    const tail = () => kubectl("logs deploy/writer -c demoapp --tail=2");
    await mesh.until("it has written", async () => (await tail()).endsWith("four\n"));
    assert.equal(await tail(), "three\nfour\n");
    await kubectl("delete deploy/writer svc/writer --grace-period=1");
    const previous = await mesh.kubectl(["logs", web, "-c", first ?? "", "-p"]);
    assert.match(previous.stderr, /previous terminated container ".*" in pod ".*" not found/);
    const forward = await mesh.kubectl(["port-forward", web, "8080:80"]);
    assert.match(forward.stderr, new RegExp(`lateen --mesh \\S+ port-forward ${web} -n default`));
  });

  test("a pod that is applied again is unchanged, whatever was filled in", async () => {
    const pod = JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "once", labels: { app: "once" } },
      spec: {
        containers: [
          {
            name: "main",
            image: "sleep",
            command: ["sleep", "1000"],
            ports: [{ containerPort: 80 }],
            env: [{ name: "A", value: "1" }],
          },
        ],
      },
      status: {},
    });
    // kubectl itself takes for a change: the null that generators write there, and a container that
    // was injected (of an injected pod it sends the order of the containers that it knows of).
    const generated = pod.replace('"name":"once"', '"name":"once","creationTimestamp":null');
    const alone = pod.replace('"app":"once"', '"app":"once","sidecar.istio.io/inject":"false"');
    for (const [apply, first, again] of [
      [(input: string) => mesh.kubectl("apply -f -", input), alone, alone],
      [(input: string) => mesh.lateen("apply -f -", input), pod, generated],
    ] as const) {
      assert.match((await apply(first)).stdout, /pod\/once created/);
      await mesh.until("it runs", async () =>
        (await kubectl("get pod once -o jsonpath={.status.phase}")).includes("Running"),
      );
      const second = await apply(again);
      assert.match(second.stdout, /pod\/once unchanged/, second.stderr);
      const labelled = await apply(first.replace('"app":"once"', '"app":"once","more":"yes"'));
      assert.match(labelled.stdout, /pod\/once configured/, labelled.stderr);
      await kubectl("delete pod once --grace-period=1");
    }
    // What it sends of an injected pod changes nothing.
    await kubectl("apply -f -", pod);
    await kubectl("wait pod/once --for=condition=Ready --timeout=60s");
    const version = () => kubectl("get pod once -o jsonpath={.metadata.resourceVersion}");
    const before = await version();
    await kubectl("apply -f -", pod);
    assert.equal(await version(), before);
    await kubectl("delete pod once --grace-period=1");
  });

  test("label, edit and delete reach the proxies", async () => {
    await kubectl("label vs web tier=front");
    assert.match(await kubectl("get vs -l tier=front -o name"), /web/);
    const editor = mesh.path("editor.sh");
    writeFileSync(editor, '#!/bin/sh\nsed -i s/ROUND_ROBIN/RANDOM/ "$1"\n', { mode: 0o755 });
    const edited = await mesh.kubectl("edit dr web", undefined, { EDITOR: editor });
    assert.equal(edited.code, 0, edited.stderr);
    assert.match(edited.stdout, /destinationrule\S* edited/);
    const [web = ""] = await mesh.pods("web-");
    const policy = async () =>
      JSON.parse(await mesh.ok(`pc clusters ${web} --fqdn web.default.svc.cluster.local -o json`));
    await mesh.until("RANDOM", async () => JSON.stringify(await policy()).includes('"RANDOM"'));
    assert.match(await kubectl("delete dr web"), /deleted/);
    await mesh.until(
      "the rule is gone",
      async () => !JSON.stringify(await policy()).includes('"RANDOM"'),
    );
  });

  test("rollout restart and scale", async () => {
    const before = await mesh.pods("web-");
    assert.match(await kubectl("rollout restart deploy/web"), /restarted/);
    await kubectl("rollout status deploy/web --timeout=90s");
    await kubectl("scale deploy/web --replicas=1");
    await mesh.until("one new pod", async () => {
      const now = await mesh.pods("web-");
      return now.length === 1 && !before.includes(now[0] ?? "");
    });
    assert.match(await kubectl("get deploy web"), /^web +1\/1 +1 +1 +/m);
  });

  for (const [what, object, says] of BROKEN) {
    test(`${what} is refused by kubectl and lateen alike`, async () => {
      for (const ran of [
        await mesh.kubectl("apply -f -", object),
        await mesh.lateen("apply -f -", object),
      ]) {
        assert.notEqual(ran.code, 0, ran.stdout);
        assert.match(ran.stderr, says);
        assert.match(ran.stderr, /web/, "it names the object");
      }
      assert.equal((await viaIngress()).status, 200, "everything else goes on");
    });
  }

  test("1 MB of junk is refused clearly", async () => {
    const junk = virtualService({ hosts: ["x".repeat(1024 * 1024)], http: [{ route: [to()] }] });
    const ran = await mesh.kubectl("create -f -", junk);
    assert.notEqual(ran.code, 0);
    assert.match(ran.stderr, /web.*spec\.hosts\[0\]/);
    assert.ok(ran.stderr.length < 2000, "the answer does not repeat the junk");
    const noYaml = await mesh.lateen("apply -f -", "{".repeat(1024 * 1024));
    assert.notEqual(noYaml.code, 0);
    assert.ok(noYaml.stderr.length < 2000, "the answer does not repeat the junk");
    const serverSide = await mesh.kubectl("apply --server-side --force-conflicts -f -", ROUTES);
    assert.equal(serverSide.code, 0, serverSide.stderr);
    assert.equal((await viaIngress()).status, 200, "everything else goes on");
  });

  const viaIngress = () =>
    new Promise<{ status: number }>((done, fail) => {
      const [address, port] = mesh.ingress.split(":");
      const options = { host: address, port, headers: { host: "web.example" }, agent: false };
      request(options, answer => {
        answer.resume();
        done({ status: answer.statusCode ?? 0 });
      })
        .on("error", fail)
        .end();
    });
});
