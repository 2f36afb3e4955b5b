/** Certificates with a short life under load, and probes: restarts, endpoints, broken rollouts. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { assertNoLoss, type LoadRun, startLoad, underLoad } from "../support/load-run.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const LIFETIME_SECONDS = 20;
const LOAD_SECONDS = 45;

const QUICK_PROBES = {
  readinessProbe: { httpGet: { path: "/readyz", port: "web" }, periodSeconds: 1 },
  livenessProbe: {
    httpGet: { path: "/livez", port: "web" },
    periodSeconds: 1,
    failureThreshold: 2,
  },
};

interface PodJson {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly podIP: string;
    readonly containerStatuses: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly restartCount: number;
      readonly state: { readonly waiting?: { readonly reason: string } };
    }[];
  };
}

describe("certificates and probes", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";
  let load: LoadRun;
  const serials = new Set<string>();

  before(async () => {
    mesh = await RunningMesh.start(["--certificate-lifetime", String(LIFETIME_SECONDS)]);
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "steady", replicas: 2 }));
    const frail = { name: "frail", replicas: 2, container: QUICK_PROBES };
    await mesh.ok("apply -f -", demoapp(frail));
    for (const name of ["sleep", "steady", "frail"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
    load = await startLoad(mesh, sleep, "http://steady:8080/", LOAD_SECONDS);
  });
  after(() => mesh?.stop());

  const noteSerial = async () => {
    const table = await mesh.ok(`pc secret ${sleep}`);
    const match = /^default +Cert Chain +ACTIVE +true +([0-9a-f]+) /m.exec(table);
    assert.ok(match?.[1], `a certificate that is valid now:\n${table}`);
    serials.add(match[1]);
  };

  const pod = (name: string) => mesh.json<PodJson>(`get pod ${name}`);
  const application = async (name: string) => {
    const found = (await pod(name)).status.containerStatuses.find(each => each.name === "demoapp");
    assert.ok(found, `${name} has the container demoapp`);
    return found;
  };
  const set = (name: string, path: string, state: string) =>
    mesh.ok(["exec", name, "--", "curl", "-s", "-d", `state=${state}`, `127.0.0.1:8080${path}`]);
  const endpointsOf = async (service: string) => {
    const table = await mesh.ok(`pc endpoints ${sleep} --port 8080`);
    return table
      .split("\n")
      .filter(line => / HEALTHY /.test(line) && line.includes(`||${service}.default.`))
      .map(line => line.split(":")[0]);
  };

  test("a readiness failure takes the endpoint out, and its end brings it back", async () => {
    const [first = "", second = ""] = await mesh.pods("frail-");
    const address = (await pod(first)).status.podIP;
    await mesh.until("both", async () => (await endpointsOf("frail")).length === 2);
    await set(first, "/readyz", "fail");
    await mesh.until("the pod is not ready", async () => !(await application(first)).ready);
    await mesh.until("its endpoint is gone", async () => {
      const left = await endpointsOf("frail");
      return left.length === 1 && !left.includes(address);
    });
    const script = "for i in 1 2 3 4 5 6 7 8; do curl -s frail:8080; done";
    const answers = await mesh.ok(["exec", sleep, "--", "sh", "-c", script]);
    assert.equal(answers.match(new RegExp(`ServerName: ${second},`, "g"))?.length, 8, answers);
    await set(first, "/readyz", "ok");
    await mesh.until("both again", async () => (await endpointsOf("frail")).length === 2);
    assert.equal((await application(first)).restartCount, 0, "not ready is no reason to restart");
    await noteSerial();
  });

  test("a liveness failure starts the container again, later ones with back-off", async () => {
    const [first = ""] = await mesh.pods("frail-");
    await set(first, "/livez", "fail");
    await mesh.until("one restart", async () => {
      const { restartCount, ready } = await application(first);
      return restartCount === 1 && ready;
    });
    await set(first, "/livez", "fail");
    await mesh.until("back-off", async () => {
      const { state } = await application(first);
      return state.waiting?.reason === "CrashLoopBackOff";
    });
    assert.match(
      await mesh.ok("get pods"),
      new RegExp(`^${first} +1/2 +CrashLoopBackOff +1 `, "m"),
    );
    await noteSerial();
    await mesh.until("up again", async () => {
      const { restartCount, ready } = await application(first);
      return restartCount === 2 && ready;
    });
  });

  test("a rollout of a broken version leaves the old one serving", async () => {
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } };
    const careful = { name: "careful", replicas: 3, spec: { strategy } };
    await mesh.ok("apply -f -", demoapp(careful));
    await rolledOut(mesh, "careful");
    const old = await mesh.pods("careful-");
    await mesh.ok(
      "apply -f -",
      demoapp({ ...careful, command: ["node", "-e", "process.exit(3)"] }),
    );
    await mesh.until("broken pods", async () => {
      const names = (await mesh.pods("careful-")).filter(name => !old.includes(name));
      const states = await Promise.all(names.map(async name => (await application(name)).state));
      return states.some(state => state.waiting?.reason === "CrashLoopBackOff");
    });
    const left = (await mesh.pods("careful-")).filter(name => old.includes(name));
    assert.ok(left.length >= 2, "maxUnavailable is 1 of 3");
    const script = "for i in 1 2 3 4 5 6; do curl -s careful:8080; done";
    const answers = await mesh.ok(["exec", sleep, "--", "sh", "-c", script]);
    assert.equal(answers.match(/^iKubernetes demoapp/gm)?.length, 6, answers);
    await mesh.ok("apply -f -", demoapp(careful));
    await rolledOut(mesh, "careful");
    await noteSerial();
  });

  test("certificates are rotated at half their life without a lost request", async () => {
    await mesh.until("a third certificate", async () => {
      await noteSerial();
      return serials.size >= 3;
    });
    // Connections made before go on; those to new pods are made with the certificates of now.
    const annotations = { "test.lateen/restarted": "1" };
    await underLoad("new pods", [load], async () => {
      await mesh.ok("apply -f -", demoapp({ name: "steady", replicas: 2, annotations }));
      await rolledOut(mesh, "steady");
    });
    const report = await load.end();
    await assertNoLoss(mesh, sleep, report);
    assert.ok(report.sent >= LOAD_SECONDS * 50);
    assert.ok(Object.keys(report.servers).length >= 3, "new pods have answered");
  });
});
