/** A real kubectl (from PATH) against the embedded store, as people use it. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { after, before, describe } from "node:test";
import { allKinds } from "../../src/api/registry.ts";
import { silentLog } from "../../src/base/log.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { selfSignedRoot } from "../../src/ca/certificate.ts";
import { systemClock } from "../../src/net/clock.ts";
import type { HttpListener } from "../../src/net/http-server.ts";
import { kubeconfig } from "../../src/sources/kube-api/kubeconfig.ts";
import { serveKubeApi } from "../../src/sources/kube-api/server.ts";
import { serviceAddresses } from "../../src/sources/store/service-addresses.ts";
import { openStore, type Store } from "../../src/sources/store/store.ts";

const missing = spawnSync("kubectl", ["version", "--client"]).error !== undefined;
const skip = missing ? "kubectl is not on PATH" : false;
const TOKEN = "a-token-of-this-test";

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Everything that `wanted` says is so in `made`, where it says anything. */
function assertHolds(made: unknown, wanted: unknown, where: string): void {
  if (Array.isArray(wanted)) {
    assert.ok(Array.isArray(made) && made.length === wanted.length, where);
    for (const [i, item] of wanted.entries()) assertHolds(made[i], item, `${where}[${i}]`);
  } else if (typeof wanted === "object" && wanted !== null) {
    const found = new Map(typeof made === "object" && made !== null ? Object.entries(made) : []);
    for (const [key, item] of Object.entries(wanted)) {
      const isNothing = item === null || JSON.stringify(item) === "{}" || key === "status";
      if (!isNothing) assertHolds(found.get(key), item, `${where}.${key}`);
    }
  } else assert.deepEqual(made, wanted, where);
}

const MANIFEST = `
apiVersion: networking.istio.io/v1beta1
kind: Gateway
metadata: {name: demoapp-gateway}
spec:
  selector: {app: istio-ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [demoapp.example.com]
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: demoapp}
spec:
  hosts: [demoapp.example.com]
  gateways: [istio-system/demoapp-gateway]
  http:
  - name: default
    route: [{destination: {host: demoappv10}}]
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: demoapp}
spec: {host: demoapp}
`;

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: first
        image: one
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
        ports: [{containerPort: 8080}]
      - name: second
        image: two
`;

describe("kubectl against the embedded store", { skip, timeout: 120_000 }, () => {
  let directory = "";
  let store: Store;
  let server: HttpListener;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "lateen-kubectl-"));
    const opened = openStore({
      path: ":memory:",
      kinds: allKinds,
      clock: systemClock,
      log: silentLog,
      admission: [serviceAddresses({ cidr: "10.96.0.0/16" })],
      ids: {
        uid: () => crypto.randomUUID(),
        suffix: () => crypto.randomUUID().slice(0, 5),
      },
    });
    assert.ok(opened.ok);
    store = opened.value;
    const now = Date.now();
    const period = { notBefore: now - 60_000, notAfter: now + 3_600_000 };
    const root = selfSignedRoot("cluster.local", period);
    const authority = openAuthority(
      {
        "ca-cert.pem": root.certificatePem,
        "ca-key.pem": root.privateKeyPem,
        "root-cert.pem": root.certificatePem,
        "cert-chain.pem": "",
      },
      now,
    );
    assert.ok(authority.ok);
    const certificate = authority.value.issue({ ipAddresses: ["127.0.0.1"] }, period);
    server = await serveKubeApi({
      store,
      clock: systemClock,
      version: "0.0.0",
      log: silentLog,
      host: "127.0.0.1",
      port: 0,
      token: TOKEN,
      tls: { cert: certificate.certificatePem, key: certificate.privateKeyPem },
    });
    const text = kubeconfig({
      server: `https://127.0.0.1:${server.port}`,
      name: "lateen",
      token: TOKEN,
      certificateAuthority: root.certificatePem,
    });
    writeFileSync(join(directory, "config"), text, { mode: 0o600 });
  });

  after(async () => {
    await server.close();
    store.close();
    rmSync(directory, { recursive: true });
  });

  function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return { PATH, HOME: directory, KUBECONFIG: join(directory, "config"), ...more };
  }

  function run(
    args: readonly string[],
    input = "",
    env: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    return new Promise(done => {
      const options = { env: environment(env), timeout: 20_000 };
      const child = execFile("kubectl", [...args], options, (error, out, err) => {
        const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
        done({ code, out, err });
      });
      // What begins with a brace kubectl takes for JSON; here it is YAML in flow style.
      child.stdin?.end(input.startsWith("{") && !input.startsWith('{"') ? `---\n${input}` : input);
    });
  }

  async function kubectl(command: string, input = ""): Promise<string> {
    const { code, out, err } = await run(command.split(" "), input);
    assert.equal(code, 0, `kubectl ${command}: ${err}`);
    return out + err;
  }

  async function refused(command: string, input = ""): Promise<string> {
    const { code, err } = await run(command.split(" "), input);
    assert.notEqual(code, 0, `kubectl ${command} was not refused`);
    return err;
  }

  test("apply creates, then configures, then leaves unchanged", async () => {
    assert.equal(
      await kubectl("apply -f -", MANIFEST),
      "gateway.networking.istio.io/demoapp-gateway created\n" +
        "virtualservice.networking.istio.io/demoapp created\n" +
        "destinationrule.networking.istio.io/demoapp created\n",
    );
    assert.match(await kubectl("apply -f -", MANIFEST), /demoapp unchanged/);
    const moved = MANIFEST.replaceAll("demoapp.example.com", "other.example.com");
    assert.match(
      await kubectl("apply -f -", moved),
      /virtualservice.networking.istio.io\/demoapp configured/,
    );
    assert.equal(
      await kubectl("get vs demoapp -o jsonpath={.spec.hosts[*]},{.metadata.generation}"),
      "other.example.com,2",
    );
    await kubectl("apply -f -", MANIFEST);
  });

  test("get prints Istio's columns", async () => {
    const gateways = await kubectl("get gw");
    assert.match(gateways, /^NAME {14}AGE\ndemoapp-gateway {3}\d+s\n$/);
    assert.match(
      await kubectl("get vs"),
      /^NAME +GATEWAYS +HOSTS +AGE\ndemoapp +\["istio-system\/demoapp-gateway"\] +\["demoapp.example.com"\] +\d+s\n$/,
    );
    assert.match(await kubectl("get dr"), /^NAME +HOST +AGE\ndemoapp +demoapp +\d+s\n$/);
    const all = await kubectl("get gw,vs,dr -A");
    assert.match(
      all,
      /^NAMESPACE +NAME +AGE\ndefault +gateway.networking.istio.io\/demoapp-gateway/,
    );
    assert.match(all, /default +virtualservice.networking.istio.io\/demoapp +\["istio-system/);
    assert.match(all, /default +destinationrule.networking.istio.io\/demoapp +demoapp /);
    assert.match(await kubectl("get ns --show-labels"), /kubernetes.io\/metadata.name=default/);
    assert.equal(await kubectl("get vs -o name"), "virtualservice.networking.istio.io/demoapp\n");
  });

  test("every served version shows the same object under its own apiVersion", async () => {
    for (const version of ["v1", "v1beta1", "v1alpha3"]) {
      const text = await kubectl(
        `get virtualservices.${version}.networking.istio.io demoapp -o yaml`,
      );
      assert.match(text, new RegExp(`^apiVersion: networking.istio.io/${version}\n`));
    }
  });

  test("discovery: api-resources, crd, explain", async () => {
    const resources = await kubectl("api-resources --api-group=networking.istio.io");
    assert.match(resources, /gateways +gw +networking.istio.io\/v1 +true +Gateway/);
    assert.match(resources, /virtualservices +vs +networking.istio.io\/v1 +true +VirtualService/);
    assert.match(await kubectl("get crd"), /virtualservices.networking.istio.io +2/);
    assert.match(await kubectl("explain vs.spec.hosts"), /FIELD: hosts <\[\]string>/);
    assert.match(await kubectl("explain deploy.spec.replicas"), /FIELD: replicas <integer>/);
  });

  test("label, annotate, patch and edit", async () => {
    assert.match(await kubectl("label namespace default istio-injection=enabled"), /labeled/);
    assert.match(await kubectl("get ns default --show-labels"), /istio-injection=enabled/);
    assert.match(await kubectl("annotate vs demoapp example.com/who=me"), /annotated/);
    const patch = '{"spec":{"hosts":["patched.example.com"]}}';
    assert.match(await kubectl(`patch vs demoapp --type merge -p ${patch}`), /patched/);
    const step = '[{"op":"replace","path":"/spec/hosts/0","value":"stepped.example.com"}]';
    assert.match(await kubectl(`patch vs demoapp --type json -p ${step}`), /patched/);
    const edited = await run(["edit", "vs", "demoapp"], "", {
      EDITOR: "sed -i s/stepped.example.com/edited.example.com/",
    });
    assert.match(edited.out, /virtualservice.networking.istio.io\/demoapp edited/);
    assert.equal(
      await kubectl("get vs demoapp -o jsonpath={.spec.hosts[0]}"),
      "edited.example.com",
    );
  });

  test("a Deployment's lists are merged by their keys", async () => {
    await kubectl("apply -f -", DEPLOYMENT);
    const changed = DEPLOYMENT.replace('{name: B, value: "2"}', '{name: C, value: "3"}');
    assert.match(await kubectl("apply -f -", changed), /configured/);
    const template =
      "{.spec.template.spec.containers[*].name} {.spec.template.spec.containers[0].env[*].name}";
    const { out } = await run(["get", "deploy", "web", "-o", `jsonpath=${template}`]);
    assert.equal(out, "first second A C");
    const image = '{"spec":{"template":{"spec":{"containers":[{"name":"second","image":"new"}]}}}}';
    await kubectl(`patch deploy web -p ${image}`);
    assert.match(await kubectl("set image deploy/web first=newer"), /image updated/);
    const images = await kubectl("get deploy web -o jsonpath={..image}");
    assert.equal(images, "newer new");
    assert.match(await kubectl("scale deploy web --replicas=5"), /scaled/);
    assert.match(await kubectl("rollout restart deploy web"), /restarted/);
    assert.match(
      await kubectl("get deploy"),
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/5/,
    );
    assert.match(await kubectl("describe deploy web"), /Replicas: +5 desired/);
    const fixed = await refused(
      'patch deploy web -p {"spec":{"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}}}}}',
    );
    assert.match(fixed, /The Deployment "web" is invalid: spec.selector: .*field is immutable/);
  });

  test("Services get addresses, and Endpoints come from EndpointSlices", async () => {
    const service = `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}`;
    await kubectl("apply -f -", service);
    assert.match(await kubectl("get svc web"), /web +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP/);
    await kubectl('patch svc web -p {"spec":{"type":"NodePort"}}');
    assert.match(await kubectl("get svc web"), /web +NodePort .* 80:3\d{4}\/TCP/);
    const taken = `{apiVersion: v1, kind: Service, metadata: {name: dup}, spec: {clusterIP: 192.0.2.1, ports: [{port: 80}]}}`;
    assert.match(await refused("create -f -", taken), /not in the valid range/);
    const slice = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [{addresses: [10.1.0.7]}], ports: [{name: http, port: 8080}]}`;
    await kubectl("apply -f -", slice);
    assert.match(await kubectl("get ep"), /web +10\.1\.0\.7:8080 /);
  });

  test("bad objects are refused with field, found and expected", async () => {
    const bad = (spec: string): string =>
      `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: bad}, spec: ${spec}}`;
    assert.match(
      await refused("apply -f -", bad("{hosts: [a], foo: 1}")),
      /\(BadRequest\).*strict decoding error: unknown field "spec.foo"/,
    );
    assert.match(
      await refused(
        "apply -f -",
        bad('{hosts: [a], http: [{route: [{destination: {host: a}, weight: "x"}]}]}'),
      ),
      /The VirtualService "bad" is invalid: spec.http\[0\].route\[0\].weight: .*integer/,
    );
    const warned = await kubectl(
      "apply --validate=warn -f -",
      bad("{hosts: [a], foo: 1, http: [{route: [{destination: {host: a}}]}]}"),
    );
    assert.match(warned, /Warning: unknown field "spec.foo"/);
    const lost = `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: nowhere}}`;
    assert.match(
      await refused("create -f -", lost),
      /\(NotFound\).* namespaces "nowhere" not found/,
    );
    const large = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "large" },
      data: { junk: "x".repeat(2_000_000) },
    });
    assert.match(await refused("create -f -", large), /data: Too long: found 2000000 bytes/);
    assert.match(await refused("get vs nope"), /\(NotFound\): virtualservices.* "nope" not found/);
    assert.match(await refused("delete ns default"), /this namespace may not be deleted/);
    const set = '{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{}}';
    assert.match(
      await refused("create -f -", set),
      /statefulsets are not run by a mesh on this machine: run it as a Deployment/,
    );
    assert.match(
      await refused("patch vs demoapp -p {}"),
      /accepted media types include: application\/json-patch\+json, .*--type merge/,
    );
    assert.match(await refused("delete ep web"), /can only be read/);
  });

  test("apply --prune removes what is no longer named, with its default kinds and with some", async () => {
    const map = (name: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: {team: prune}}\n`;
    const route = (name: string) =>
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\n" +
      `metadata: {name: ${name}, labels: {team: prune}}\n` +
      `spec: {hosts: [${name}.example.com], http: [{route: [{destination: {host: web}}]}]}\n`;
    const all = [map("stays"), map("goes"), route("kept"), route("dropped")].join("---\n");
    await kubectl("apply -f -", all);
    const less = [map("stays"), map("goes"), route("kept")].join("---\n");
    const lists = "--prune-allowlist=networking.istio.io/v1/VirtualService";
    assert.match(
      await kubectl(`apply --prune -l team=prune ${lists} -f -`, less),
      /dropped pruned/,
    );
    assert.match(await kubectl("apply --prune -l team=prune -f -", map("stays")), /goes pruned/);
    assert.equal(await kubectl("get cm -l team=prune -o name"), "configmap/stays\n");
    assert.match(await kubectl("get sts,ds,rs,rc,pvc,pv,jobs,cronjobs"), /No resources found/);
    await kubectl("delete cm,vs -l team=prune");
  });

  test("server-side apply: managers, conflicts, force, and diff that changes nothing", async () => {
    const map = (data: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {${data}}\n`;
    await kubectl("apply -f -", map('a: "1"'));
    const diff = async (args: string, data: string) =>
      await run(`diff ${args} -f -`.split(" "), map(data));
    const rv = () => kubectl("get cm shared -o jsonpath={.metadata.resourceVersion}");
    const before = await rv();
    for (const args of ["--server-side=false", "--server-side"])
      assert.equal((await diff(args, 'a: "1"')).code, 0, args);
    assert.equal((await diff("--server-side=false", 'a: "2"')).code, 1);
    const conflicting = await diff("--server-side", 'a: "2"');
    assert.ok(conflicting.code > 1);
    assert.match(
      conflicting.err,
      /conflict with "kubectl-client-side-apply" using v1.*: \.data\.a/,
    );
    assert.equal((await diff("--server-side --force-conflicts", 'a: "2"')).code, 1);
    assert.equal(await rv(), before, "a diff writes nothing");
    const apply = "apply --server-side -f - --field-manager=";
    assert.match(await kubectl(`${apply}one`, map('a: "1", b: "1"')), /serverside-applied/);
    assert.match(
      await refused(`${apply}two`, map('b: "2"')),
      /Apply failed with 1 conflict: conflict with "one": \.data\.b/,
    );
    await kubectl(`${apply}two --force-conflicts`, map('b: "2"'));
    await kubectl(`${apply}two`, map(""));
    assert.equal(await kubectl("get cm shared -o jsonpath={.data}"), '{"a":"1"}');
    await kubectl("apply --server-side -f -", `${map('x: "1"').replace("shared", "fresh")}`);
    await kubectl("delete cm shared fresh");
  });

  test("a stale replace is a conflict", async () => {
    const text = await kubectl("get vs demoapp -o yaml");
    await kubectl("label vs demoapp touched=yes");
    assert.match(
      await refused("replace -f -", text),
      /\(Conflict\).*the object has been modified; please apply your changes to the latest version/,
    );
  });

  test("dry runs and diffs change nothing", async () => {
    const other = MANIFEST.replaceAll("name: demoapp}", "name: dry}");
    assert.match(
      await kubectl("apply --dry-run=server -f -", other),
      /dry created \(server dry run\)/,
    );
    assert.match(await refused("get vs dry"), /NotFound/);
    const { code, out } = await run(["diff", "-f", "-"], DEPLOYMENT);
    assert.equal(code, 1);
    assert.match(out, /- {2}replicas: 5\n\+ {2}replicas: 3/);
  });

  test("create makes what its dry run says, though it speaks protobuf", async () => {
    for (const command of [
      "create namespace made",
      "create configmap made --from-literal=a=b --from-literal=c=",
      "create secret generic made --from-literal=password=x",
      "create serviceaccount made",
      "create deployment made --image=app --replicas=2 --port=80",
      "create deployment idle --image=app --replicas=0 -- sleep 1",
      "create service clusterip made --tcp=80:8080 --tcp=81:named",
      "create service nodeport outside --tcp=80",
      "create service externalname named --external-name=example.com",
    ]) {
      assert.match(await kubectl(command), / created\n/);
      const [before = "", after] = command.split(" -- ");
      const dry = `${before} --dry-run=client -o json${after === undefined ? "" : ` -- ${after}`}`;
      const wanted = JSON.parse(await kubectl(dry));
      const name = `${wanted.kind}/${wanted.metadata.name}`;
      const made = JSON.parse(await kubectl(`get ${name} -o json`));
      assertHolds(made, wanted, command);
    }
  });

  test("selectors", async () => {
    assert.match(await kubectl("get vs -l touched=yes"), /demoapp/);
    assert.match(await kubectl("get vs -l touched!=yes"), /bad/);
    assert.match(await kubectl("get vs --field-selector metadata.name=bad"), /\nbad /);
    assert.match(await kubectl("get pods --field-selector status.phase=Running"), /No resources/);
    assert.match(
      await refused("get pods --field-selector spec.foo=x"),
      /field label not supported: spec.foo/,
    );
  });

  test("get -w follows, and wait sees the deletion", async () => {
    const child = spawn("kubectl", ["get", "vs", "-w", "--no-headers"], { env: environment({}) });
    let out = "";
    const seen = new Promise<void>(done => {
      child.stdout.on("data", chunk => {
        out += String(chunk);
        if (out.includes("watched.example.com")) done();
      });
    });
    for (let i = 0; i < 200 && !out.includes("demoapp"); i++)
      await new Promise(done => setTimeout(done, 20));
    await kubectl('patch vs bad --type merge -p {"spec":{"hosts":["watched.example.com"]}}');
    await seen;
    child.kill();
    const waiting = kubectl("wait --for=delete vs/bad --timeout=10s");
    await kubectl("delete vs bad");
    await waiting;
  });

  test("delete -f, delete by label, and a namespace with what is in it", async () => {
    assert.match(await kubectl("delete -f -", MANIFEST), /virtualservice.* "demoapp" deleted/);
    assert.match(await kubectl("get gw,vs,dr"), /No resources found/);
    await kubectl("apply -f -", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    for (const name of ["a", "b"])
      await kubectl(
        "apply -f -",
        `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}}`,
      );
    assert.match(await kubectl("delete cm -n shop -l app=a"), /configmap "a" deleted/);
    assert.match(await kubectl("get sa -n shop"), /default/);
    await kubectl("delete ns shop");
    assert.match(await kubectl("get cm -n shop"), /No resources found/);
  });

  test("what is not served says so, and what to use instead", async () => {
    const metadata = "metadata: {name: x}\nspec: {}";
    const foreign = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n${metadata}`;
    const later = `apiVersion: networking.istio.io/v1\nkind: EnvoyFilter\n${metadata}`;
    assert.match(
      await refused("apply -f -", foreign),
      /no matches for kind "NetworkPolicy" in version/,
    );
    assert.match(await refused("create -f -", later), /no matches for kind "EnvoyFilter" in/);
    const pod = `{apiVersion: v1, kind: Pod, ${metadata.replace("\nspec: {}", "")}, spec: {containers: [{name: a, image: b}]}}`;
    await kubectl("apply -f -", pod);
    assert.match(await refused("exec x -- ls"), /use `lateen exec POD -- COMMAND`/);
    assert.match(await refused("logs x"), /use `lateen logs POD`/);
    assert.match(await refused("create token default"), /pods get a token .* by themselves/);
    await kubectl("delete pod x");
    await kubectl("create deployment old --image=one");
    assert.match(await refused("rollout undo deployment old"), /no rollout history found/);
    await kubectl("delete deployment old");
    assert.equal(await kubectl("auth can-i create deployments"), "yes\n");
    assert.match(await kubectl("auth can-i --list"), /\*\.\*/);
    assert.match(await kubectl("auth whoami"), /lateen/);
  });

  test("without the token nothing is told", async () => {
    const { err } = await run(["--token=wrong", "get", "vs"]);
    assert.match(err, /must be logged in|Unauthorized/);
  });
});
