/** The images as pods: their programs start, with the libraries that they were given. */

import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { VERSION } from "../../../../scripts/images/build.ts";
import { DEFAULT_HUB } from "../../src/install/operator.ts";
import { ENVOY_VERSION } from "../../src/local/envoy-binary.ts";
import { kubeCluster, needsKubernetes } from "../support/kube-cluster.ts";
import type { KubeNamespace } from "../support/kube-namespace.ts";

const skip = needsKubernetes();

describe("images", { skip, timeout: 900_000 }, () => {
  test("pilot runs lateen, not as root and without a shell", async t => {
    const namespace = await (await kubeCluster()).namespace(t);
    const image = `${DEFAULT_HUB}/pilot:${VERSION}`;
    const said = await finished(namespace, {
      image,
      args: ["discovery", "--help"],
      securityContext: {
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
      },
    });
    assert.match(said, /Runs the control plane/);
    const shell = { image, command: ["/bin/sh", "-c", "true"] };
    await assert.rejects(finished(namespace, shell), /no such file or directory/);
  });

  test("proxyv2 has upstream Envoy, and what an init container intercepts traffic with", async t => {
    const namespace = await (await kubeCluster()).namespace(t);
    const image = `${DEFAULT_HUB}/proxyv2:${VERSION}`;
    const version = await finished(namespace, { image, args: ["--version"] });
    assert.ok(version.includes(`/${ENVOY_VERSION}/`), version);
    const said = await finished(namespace, {
      image,
      command: ["sh", "-ec", `printf '%s' "$RULES" | iptables-restore --noflush\n${INIT}`],
      env: [{ name: "RULES", value: RULES }],
      securityContext: {
        runAsUser: 0,
        runAsNonRoot: false,
        capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] },
      },
    });
    assert.match(said, /-A OUTPUT -p tcp -m owner ! --uid-owner 1337 -j REDIRECT --to-ports 15001/);
    assert.match(said, /fwmark 0x539 lookup 133/);
    assert.match(said, /^curl \d/m);
    assert.match(said, /^all done$/m);
  });
});

/** Each kind of rule that interception may need. */
const RULES = `*nat
-A OUTPUT -p tcp -m owner ! --uid-owner 1337 -j REDIRECT --to-ports 15001
COMMIT
*mangle
-A PREROUTING -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A PREROUTING -p tcp -m mark ! --mark 1337 -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
COMMIT
*raw
-A PREROUTING -p udp --sport 53 -j CT --zone 1
COMMIT
`;

/** Also for the other family, and with the other kind of tables. */
const INIT = `iptables-save
ip6tables -t nat -A OUTPUT -p tcp --dport 1 -j REDIRECT --to-ports 2
iptables-legacy -t nat -A OUTPUT -m owner --gid-owner 1337 -j RETURN
ip rule add fwmark 1337 lookup 133
ip route add local 0.0.0.0/0 dev lo table 133
ip rule
curl --version
echo all done`;

let count = 0;

/** What a container printed that ran to its end; fails where it did not end well. */
async function finished(namespace: KubeNamespace, container: object): Promise<string> {
  const name = `once-${++count}`;
  const spec = { restartPolicy: "Never", containers: [{ name, ...container }] };
  await namespace.apply(
    JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name }, spec }),
  );
  const phase = await namespace.until(`${name} has ended`, async () => {
    const found = await namespace.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}");
    return found === "Succeeded" || found === "Failed" ? found : undefined;
  });
  if (phase === "Succeeded") return namespace.kubectl("logs", name);
  const status = await namespace.kubectl("get", "pod", name, "-o", "jsonpath={.status}");
  throw new Error(`${status}\n${await namespace.kubectl("logs", name)}`);
}
