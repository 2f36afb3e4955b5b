import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "@lateen/envoy-api/envoy/extensions/transport_sockets/tls/v3/secret.js";
import { Redacted } from "../../base/redacted.ts";
import { createGraph } from "../../flow/graph.ts";
import type { Credential, TrustBundle, WorkloadCertificate } from "../../model/types.ts";
import { viewKey } from "./family.ts";
import { createSecretCells } from "./secrets.ts";

const GATEWAY = "spiffe://cluster.local/ns/edge/sa/gateway";

function credential(changes: Partial<Record<"chain" | "key" | "roots" | "crl", string>>) {
  return {
    certificateChain: changes.chain ?? "",
    privateKey: new Redacted(changes.key ?? ""),
    roots: changes.roots ?? "",
    revocations: changes.crl ?? "",
  };
}

function secretsOf(rows: Readonly<Record<string, Credential>>) {
  const graph = createGraph();
  const credentials = graph.input<Credential>("credentials");
  const cells = createSecretCells(graph, {
    certificates: graph.input<WorkloadCertificate>("certificates"),
    bundles: graph.input<TrustBundle>("bundles"),
    credentials,
  });
  const set = (key: string, row: Credential) =>
    graph.commit({ source: "test" }, writer => writer.set(credentials, key, row));
  for (const [key, row] of Object.entries(rows)) set(key, row);
  const get = (name: string, identity = GATEWAY) => {
    const cell = cells.acquire(viewKey(identity, name));
    const resource = cell.value();
    cell.release();
    return resource;
  };
  return { set, get };
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function roots(resource: ReturnType<ReturnType<typeof secretsOf>["get"]>): string {
  const { validationContext } = Secret.decode(resource?.body ?? new Uint8Array());
  return text(validationContext?.trustedCa?.inlineBytes);
}

test("a credential has its certificate and its key, under the name that was asked for", () => {
  const { get, set } = secretsOf({ "edge/shop": credential({ chain: "chain", key: "key" }) });
  for (const name of ["kubernetes://shop", "kubernetes://edge/shop"]) {
    const resource = get(name);
    assert.equal(resource?.name, name);
    const { tlsCertificate } = Secret.decode(resource?.body ?? new Uint8Array());
    assert.equal(text(tlsCertificate?.certificateChain?.inlineBytes), "chain");
    assert.equal(text(tlsCertificate?.privateKey?.inlineBytes), "key");
  }
  const before = get("kubernetes://shop")?.version;
  set("edge/shop", credential({ chain: "next", key: "key2" }));
  assert.notEqual(get("kubernetes://shop")?.version, before);
  assert.equal(get("kubernetes://shop-cacert"), undefined);
});

test("roots are in a Secret of their own, or else beside the certificate", () => {
  const { get, set } = secretsOf({
    "edge/shop": credential({ chain: "chain", key: "key", roots: "beside", crl: "gone" }),
  });
  assert.equal(roots(get("kubernetes://shop-cacert")), "beside");
  const body = get("kubernetes://shop-cacert")?.body ?? new Uint8Array();
  assert.equal(text(Secret.decode(body).validationContext?.crl?.inlineBytes), "gone");
  set("edge/shop-cacert", credential({ roots: "apart" }));
  assert.equal(roots(get("kubernetes://shop-cacert")), "apart");
});

test("no identity gets a credential of another namespace, whatever it asks for", () => {
  const row = credential({ chain: "chain", key: "key", roots: "roots" });
  const { get } = secretsOf({ "edge/shop": row, "other/shop": row, "shop/shop": row });
  const names = ["shop", "shop-cacert", "edge/shop", "edge/shop-cacert", "edge/../edge/shop"];
  for (const name of names)
    assert.equal(get(`kubernetes://${name}`, "spiffe://cluster.local/ns/none/sa/x"), undefined);
  assert.equal(get("kubernetes://other/shop"), undefined);
  assert.equal(get("kubernetes://shop", ""), undefined);
  assert.equal(get("kubernetes://shop", "nobody"), undefined);
  assert.ok(get("kubernetes://shop"));
});
