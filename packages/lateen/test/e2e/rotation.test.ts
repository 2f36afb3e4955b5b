/** `cacerts` comes to a local mesh, and its root goes again: no request fails, nothing is restarted. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleepFor } from "node:timers/promises";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { assertNoLoss, startLoad, underLoad } from "../support/load-run.ts";
import { operatorRoot } from "../support/plugged-ca.ts";
import { type ProxySecrets, proxySecrets } from "../support/proxy-secrets.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const YEAR_MS = 365 * 24 * 3_600_000;
const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`;

interface SecretJson {
  readonly data: Readonly<Record<string, string>>;
}

describe("the CA of a local mesh is replaced", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";
  const now = Date.now();
  const root = operatorRoot("ec", " E2E", now - 60_000, now + YEAR_MS);

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "web", replicas: 2 }));
    await mesh.ok("apply -f -", STRICT);
    for (const name of ["sleep", "web"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
  });
  after(() => mesh?.stop());

  const plug = (stringData: object) => {
    const metadata = { name: "cacerts", namespace: "istio-system" };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData };
    return mesh.ok("apply -f -", JSON.stringify(secret));
  };
  const pods = async () => [sleep, ...(await mesh.pods("web-"))];
  const allHave = (what: string, is: (secrets: ProxySecrets) => boolean) =>
    mesh.until(what, async () => {
      for (const pod of await pods()) {
        // Each look is a process: not so often that the mesh has no time left.
        await sleepFor(500);
        const has = proxySecrets(await mesh.ok(`pc secret ${pod} -o json`));
        if (!is(has)) throw new Error(`${pod} has ${JSON.stringify(has)}`);
      }
      return true;
    });

  test("from the mesh's own root to an operator's, and back to one root", async () => {
    const own = await mesh.json<SecretJson>("get secret istio-ca-secret -n istio-system");
    const ownRoot = Buffer.from(own.data["root-cert.pem"] ?? "", "base64").toString();
    const load = await startLoad(mesh, sleep, "http://web:8080/", 20);
    const plugged = root.plugged();

    await underLoad("two roots", [load], async () => {
      await plug({ ...plugged, "root-cert.pem": root.pem + ownRoot });
      await allHave(
        "every proxy has a certificate of the new issuer",
        ({ issuer }) => issuer === "CN=Intermediate CA E2E",
      );
    });
    await underLoad("one root", [load], async () => {
      await plug(plugged);
      await allHave(
        "every proxy trusts one root",
        ({ roots }) => roots.join() === "CN=Root CA E2E",
      );
    });
    await assertNoLoss(mesh, sleep, await load.end());
  });

  test("a control plane that starts with another issuer is found by all, new pods too", async () => {
    const pid = mesh.controlPlanePid();
    assert.ok(pid !== undefined);
    await plug(root.plugged());
    process.kill(pid, "SIGKILL");
    await mesh.until("another control plane", async () => {
      const next = mesh.controlPlanePid();
      return next !== undefined && next !== pid;
    });
    await mesh.ok("apply -f -", demoapp({ name: "late", replicas: 1 }));
    await rolledOut(mesh, "late");
    await allHave(
      "every proxy has found the new control plane",
      ({ issuer }) => issuer === "CN=Intermediate CA E2E2",
    );
  });
});
