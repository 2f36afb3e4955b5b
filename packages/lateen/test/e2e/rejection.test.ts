/** Configuration that a real Envoy rejects (NACK): who is told, what goes on, how it ends. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demoapp, rolledOut } from "../support/demoapp.ts";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;

/** The same pods under another name and port, so that its routes are a resource of their own. */
const OTHER = `
apiVersion: v1
kind: Service
metadata: {name: other}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8081, targetPort: 8080}]
`;

const routeTo = (host: string, port: number, uri: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}}
spec:
  hosts: [${host}]
  http: [{match: [{uri: ${uri}}], route: [{destination: {host: ${host}, port: {number: ${port}}}}]}]
`;

interface Conditions {
  readonly status?: {
    readonly conditions?: readonly { type: string; status: string; message?: string }[];
  };
}

describe("configuration that Envoy rejects", { skip }, () => {
  let mesh: RunningMesh;
  let sleep = "";

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok("apply -f samples/demoapp/sleep.yaml");
    await mesh.ok("apply -f -", demoapp({ name: "web" }));
    await mesh.ok("apply -f -", OTHER);
    await mesh.ok("apply -f -", routeTo("web", 8080, "{prefix: /}"));
    for (const name of ["sleep", "web"]) await rolledOut(mesh, name);
    [sleep = ""] = await mesh.pods("sleep-");
  });
  after(() => mesh?.stop());

  const inSleep = (...command: string[]) => mesh.ok(["exec", sleep, "--", ...command]);
  const statusOf = (url: string) =>
    inSleep("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url);
  const becomes = (url: string, status: string) =>
    mesh.until(`${url} answers ${status}`, async () => (await statusOf(url)) === status);
  const psLine = async () =>
    (await mesh.ok("ps --compat 1.14")).split("\n").find(line => line.startsWith("sleep-")) ?? "";
  const reconciled = async (name: string) => {
    const { status } = await mesh.json<Conditions>(`get virtualservice ${name}`);
    return status?.conditions?.find(({ type }) => type === "Reconciled");
  };

  test("is put down to its object; what was there before goes on", async () => {
    await becomes("http://web:8080/a", "200");
    // This Envoy takes smaller regular expressions than our validation knows of.
    const limit = "http://127.0.0.1:15000/runtime_modify?re2.max_program_size.error_level=100";
    assert.match(await inSleep("curl", "-s", "-X", "POST", limit), /OK/);
    await mesh.ok("apply -f -", routeTo("web", 8080, '{regex: "/[a-z]{500}"}'));
    await mesh.until(
      "the object says so",
      async () => (await reconciled("web"))?.status === "False",
    );
    assert.match((await reconciled("web"))?.message ?? "", /RDS 8080.*program size/);
    assert.match(await psLine(), /\bSTALE\b/);
    assert.match(await mesh.ok("ps"), /RDS ERROR/);
    assert.equal(await statusOf("http://web:8080/a"), "200");
  });

  test("other objects are carried out meanwhile", async () => {
    await becomes("http://other:8081/a", "200");
    await mesh.ok("apply -f -", routeTo("other", 8081, "{prefix: /only}"));
    await becomes("http://other:8081/a", "404");
    assert.equal(await statusOf("http://other:8081/only"), "200");
    assert.equal((await reconciled("other"))?.status ?? "True", "True");
  });

  test("the mended object is carried out, and nothing is left of it", async () => {
    await mesh.ok("apply -f -", routeTo("web", 8080, "{prefix: /mended}"));
    await becomes("http://web:8080/a", "404");
    assert.equal(await statusOf("http://web:8080/mended"), "200");
    await mesh.until(
      "the object says so",
      async () => (await reconciled("web"))?.status === "True",
    );
    await mesh.until("ps shows SYNCED", async () => !/\bSTALE\b|\bERROR\b/.test(await psLine()));
  });

  test("virtual hosts one at a time: a rejected one holds back no other on its port", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `host-${index}`);
    const service = (name: string) => OTHER.replace("name: other", `name: ${name}`);
    const services = names.map(name => service(name).replace("8081", "8080"));
    await mesh.ok("apply -f -", services.join("---"));
    await becomes("http://host-7:8080/a", "200");
    assert.equal(await statusOf("http://web:8080/mended"), "200");
    await mesh.ok("apply -f -", routeTo("web", 8080, '{regex: "/[a-z]{500}"}'));
    await mesh.until(
      "the object says so",
      async () => (await reconciled("web"))?.status === "False",
    );
    assert.match((await reconciled("web"))?.message ?? "", /VHDS 8080\/web\S* ?.*program size/);
    await mesh.ok("apply -f -", routeTo("host-7", 8080, "{prefix: /only}"));
    await becomes("http://host-7:8080/a", "404");
    assert.equal(await statusOf("http://host-7:8080/only"), "200");
    assert.equal(await statusOf("http://web:8080/mended"), "200");
    await mesh.ok("apply -f -", routeTo("web", 8080, "{prefix: /again}"));
    await becomes("http://web:8080/mended", "404");
    await mesh.until(
      "the object says so",
      async () => (await reconciled("web"))?.status === "True",
    );
  });
});
