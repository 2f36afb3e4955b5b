/** The real Envoy's judgement of injected pods, and the init container's script in a real namespace. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import type { JsonObject } from "../../src/api/kind.ts";
import { exitOnZeroCommand } from "../../src/inject/drain.ts";
import { configOf, injectionCases, textOf } from "../../src/inject/testdata/cases.ts";
import { podPlaces } from "../../src/inject/workload-object.ts";
import { injectYaml } from "../../src/inject/yaml-injection.ts";
import { expandReferences } from "../../src/proxy/expansion.ts";
import { interceptEverything } from "../../src/proxy/interception.ts";
import { interceptionScript } from "../../src/proxy/interception-script.ts";
import { standardDefaults } from "../../src/proxy/proxy-options.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../../src/sources/json.ts";
import { inNamespace } from "../support/network-namespace.ts";
import { needsRoot } from "../support/pod-mesh.ts";
import { issueTestCertificate } from "../support/test-certificate.ts";
import { validate } from "../support/validate.ts";

/** The proxies of a text that was injected, as their container. */
function proxies(text: string): { readonly pod: JsonObject; readonly proxy: JsonObject }[] {
  return parseAllDocuments(text)
    .flatMap(document => podPlaces(document.toJS()))
    .flatMap(({ pod }) => {
      const spec = objectAt(pod, "spec");
      return [...arrayAt(spec, "initContainers"), ...arrayAt(spec, "containers")]
        .filter(isObject)
        .filter(container => container["name"] === "istio-proxy")
        .map(proxy => ({ pod, proxy }));
    });
}

/** What the kubelet makes of the argument, with the files of the pod's volumes in a folder. */
async function asInPod(pod: JsonObject, proxy: JsonObject, directory: string): Promise<string> {
  const args = arrayAt(proxy, "args");
  const bootstrap = String(args[args.indexOf("--config-yaml") + 1]);
  const values = new Map([
    ["POD_NAME", "pod-1"],
    ["POD_NAMESPACE", "shop"],
    ["INSTANCE_IP", bootstrap.includes('"::"') ? "fd00::7" : "10.244.0.7"],
    ["INSTANCE_IPS", "fd00::7,10.244.0.7"],
    ["SERVICE_ACCOUNT", "default"],
    ["NODE_NAME", "node-1"],
  ]);
  const here = (text: string): string =>
    text
      .replaceAll("/etc/istio/pod", directory)
      .replaceAll("/var/run/secrets/istio", directory)
      .replaceAll("/var/run/secrets/tokens", directory);
  const annotations = objectAt(objectAt(pod, "metadata"), "annotations");
  for (const name of ["xds-root", "xds-token"])
    await writeFile(
      join(directory, `${name}.json`),
      here(stringAt(annotations, `lateen.dev/${name}`)),
    );
  return here(expandReferences(bootstrap, name => values.get(name)));
}

for (const { name, features, texts } of injectionCases) {
  const form = features.nativeSidecars ? "native" : "older";
  test(`Envoy accepts every proxy of ${name} (${form})`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "lateen-injected-"));
    try {
      const certificate = issueTestCertificate({ dnsNames: ["x"], uris: [] });
      await writeFile(join(directory, "root-cert.pem"), certificate);
      await writeFile(join(directory, "istio-token"), "token");
      const options = { features, config: configOf(texts), version: "1.0", namespace: "" };
      const injected = injectYaml(textOf(name), options);
      assert.ok(injected.ok);
      const found = proxies(injected.value);
      assert.ok(found.length > 0);
      for (const { pod, proxy } of found)
        await validate(JSON.parse(await asInPod(pod, proxy, directory)));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}

for (const mode of ["REDIRECT", "TPROXY"] as const)
  test(`the init container's script, run twice: ${mode}`, { skip: needsRoot() }, async () => {
    const families = ["IPv4", "IPv6"] as const;
    const script = interceptionScript(interceptEverything, { mode, statusPort: 15020, families });
    const list = "iptables -t nat -S; iptables -t mangle -S; ip6tables -t nat -S; ip rule";
    const foreign = "iptables -t nat -A POSTROUTING -d 192.0.2.1 -j RETURN";
    const rules = await inNamespace(
      `${foreign}\n(${script})\n(${list}) > /tmp/first.$$\n(${script})\n(${list}) > /tmp/second.$$\n` +
        "diff /tmp/first.$$ /tmp/second.$$; cat /tmp/second.$$; rm /tmp/first.$$ /tmp/second.$$",
    );
    assert.match(rules, /-A POSTROUTING -d 192\.0\.2\.1\/32 -j RETURN/, "others' rules stay");
    assert.match(rules, /-A ISTIO_OUTPUT -d 127\.0\.0\.1\/32 -j RETURN/);
    assert.match(rules, /-A ISTIO_OUTPUT -d ::1\/128 -j RETURN/);
    assert.equal(rules.includes("TPROXY --on-port 15006"), mode === "TPROXY");
    assert.equal(rules.includes("fwmark 0x539 lookup 133"), mode === "TPROXY");
  });

for (const [family, address] of [
  ["IPv4", "[fd00::7]"],
  ["IPv6", "10.9.8.7"],
] as const)
  test(`where the mesh is ${family} only, the other family is refused`, {
    skip: needsRoot(),
  }, async () => {
    const options = { mode: "REDIRECT", statusPort: 15020, families: [family] } as const;
    const script = interceptionScript(interceptEverything, options);
    const target = `http://${address}:8080/`;
    const connect = `ip netns exec $other sh -c 'if timeout 5 curl -s -m 3 -g -o /dev/null ${target}; then echo open; else echo closed; fi'`;
    const rules = await inNamespace(
      [
        "other=lateen-$$",
        "mount -t tmpfs none /run && ip netns add $other && ip link set peer0 netns $other",
        "ip -n $other link set peer0 up && ip -n $other link set lo up",
        "ip -n $other -6 address add fd00::8/64 dev peer0 nodad",
        "ip -n $other address add 10.9.8.8/24 dev peer0",
        `${process.execPath} -e 'require("http").createServer((q, s) => s.end("x")).listen(8080, "::")' &`,
        "server=$!",
        `for i in 1 2 3 4 5 6 7 8 9 10; do [ "$(${connect})" = open ] && break; sleep 0.2; done`,
        connect,
        `(${script})`,
        connect,
        "kill $server; ip netns del $other",
      ].join("\n"),
    );
    assert.match(rules, /^open\n[\s\S]*refused\n[\s\S]*closed\n$/);
  });

/** Stands in for Envoy's admin: the first count is of an open connection, later ones are 0. */
const ADMIN = `
let asked = 0;
require("http").createServer((request, answer) => {
  if (request.method === "POST") return answer.end("OK");
  const open = asked++ === 0 ? 2 : 0;
  answer.end(
    "listener.0.0.0.0_15006.downstream_cx_active: " + open +
    "\\nlistener.0.0.0.0_15021.downstream_cx_active: 3\\nlistener.admin.downstream_cx_active: 1\\n");
  console.log("asked", asked, request.url.includes("downstream_cx_active"));
}).listen(15000, "127.0.0.1");`;

test("EXIT_ON_ZERO_ACTIVE_CONNECTIONS waits until no connection is left", {
  skip: needsRoot(),
}, async () => {
  const config = {
    ...standardDefaults.mesh.defaultConfig,
    proxyMetadata: { MINIMUM_DRAIN_DURATION: "0s" },
  };
  const [shell = "", ...args] = exitOnZeroCommand(config);
  const command = [shell, ...args].map(each => `'${each.replaceAll("'", "'\\''")}'`).join(" ");
  const printed = await inNamespace(
    [
      `${process.execPath} -e '${ADMIN}' &`,
      "server=$!",
      "until curl -s -X POST -o /dev/null 127.0.0.1:15000/; do sleep 0.1; done",
      command,
      "kill $server",
    ].join("\n"),
  );
  assert.equal(printed, "asked 1 true\nasked 2 true\n");
});
