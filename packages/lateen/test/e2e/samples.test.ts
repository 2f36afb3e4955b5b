/** The samples run as they are written, on a local mesh: what stands in for their images answers. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RunningMesh, whyNoMesh } from "../support/running-mesh.ts";

const skip = whyNoMesh() ?? false;
const APPLICATIONS = [
  "samples/sleep/sleep.yaml",
  "samples/httpbin/httpbin.yaml",
  "samples/helloworld/helloworld.yaml",
  "samples/tcp-echo/tcp-echo.yaml",
  "samples/bookinfo/platform/kube/bookinfo.yaml",
];

describe("samples on one machine", { skip }, () => {
  let mesh: RunningMesh;
  const inSleep = (command: string): Promise<string> =>
    mesh.ok(["exec", "deploy/sleep", "--", "sh", "-c", command]);
  const throughGateway = (path: string): Promise<string> =>
    fetch(`http://${mesh.ingress}${path}`).then(answer => answer.text());

  before(async () => {
    mesh = await RunningMesh.start();
    await mesh.ok("label namespace default istio-injection=enabled");
    await mesh.ok(`apply ${APPLICATIONS.map(file => `-f ${file}`).join(" ")}`);
    await mesh.until("every pod is 2/2", async () => {
      const lines = (await mesh.ok("get pods --no-headers")).trimEnd().split("\n");
      return lines.length === 11 && lines.every(line => / 2\/2 +Running /.test(line));
    });
  });
  after(() => mesh?.stop());

  test("httpbin, helloworld and tcp-echo answer by their names", async () => {
    assert.match(await inSleep("curl -s httpbin:8000/headers"), /"Host"/);
    const hello = await inSleep(
      "for i in 1 2 3 4 5 6 7 8 9 10; do curl -s helloworld:5000/hello; done",
    );
    assert.match(hello, /Hello version: v1, instance: helloworld-v1-/);
    assert.match(hello, /Hello version: v2, instance: helloworld-v2-/);
    const echoed = await inSleep(
      "bash -c 'exec 3<>/dev/tcp/tcp-echo/9000; echo world >&3; head -n 1 <&3'",
    );
    assert.match(echoed, /hello world/);
  });

  test("Bookinfo: the page has details, reviews and ratings, through the gateway, too", async () => {
    assert.match(
      await inSleep("curl -s productpage:9080/productpage"),
      /<title>Simple Bookstore App/,
    );
    await mesh.ok("apply -f samples/bookinfo/networking/bookinfo-gateway.yaml");
    await mesh.until("the gateway has the page", async () =>
      /<title>Simple Bookstore App/.test(await throughGateway("/productpage").catch(() => "")),
    );
    await mesh.ok(
      "apply -f samples/bookinfo/networking/destination-rule-all.yaml " +
        "-f samples/bookinfo/networking/virtual-service-reviews-v3.yaml",
    );
    await mesh.until("only version 3 of reviews answers", async () => {
      const script = "for i in 1 2 3 4 5 6; do curl -s reviews:9080/reviews/0; echo; done";
      const answers = (await inSleep(script)).split("\n").filter(line => line !== "");
      return (
        answers.length === 6 && answers.every(answer => /"podname": ?"reviews-v3-/.test(answer))
      );
    });
  });
});
