/** The real Envoy's judgement of our bootstraps, and its metrics page with the application's in it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bootstrap } from "../../src/proxy/bootstrap.ts";
import { sampleBootstraps } from "../../src/proxy/testdata/bootstraps.ts";
import { discoverySdsFiles } from "../../src/proxy/xds-cluster.ts";
import { issueTestCertificate } from "../support/test-certificate.ts";
import { validate } from "../support/validate.ts";

for (const [name, options] of Object.entries(sampleBootstraps))
  test(`Envoy accepts the bootstrap of a ${name}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "lateen-bootstrap-"));
    try {
      const tls = {
        serverName: "istiod.istio-system.svc",
        sdsDirectory: directory,
        rootCertFile: join(directory, "root.pem"),
        tokenFile: join(directory, "token"),
      };
      for (const [file, content] of Object.entries(discoverySdsFiles(tls)))
        await writeFile(join(directory, file), content);
      await writeFile(tls.rootCertFile, issueTestCertificate({ dnsNames: ["x"], uris: [] }));
      await writeFile(tls.tokenFile, "token");
      const { discovery } = options;
      const own = discovery.tls === undefined ? discovery : { ...discovery, tls };
      await validate(bootstrap({ ...options, discovery: own }));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
