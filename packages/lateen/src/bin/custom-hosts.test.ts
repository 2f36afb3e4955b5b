import assert from "node:assert/strict";
import { test } from "node:test";
import { customHostsFrom } from "./custom-hosts.ts";
import { serverNames } from "./discovery-serving.ts";

test("further names of the control plane", () => {
  assert.deepEqual(customHostsFrom({}), []);
  const ISTIOD_CUSTOM_HOST = "mesh.example.com, istiod.example.com,mesh.example.com";
  const found = customHostsFrom({ ISTIOD_CUSTOM_HOST });
  assert.deepEqual(found, ["mesh.example.com", "istiod.example.com"]);
  assert.throws(
    () => customHostsFrom({ ISTIOD_CUSTOM_HOST: "a b" }),
    /found "a b"; expected a DNS/,
  );
});

test("they are in the certificate beside the addresses", () => {
  const { names } = serverNames({
    source: { kind: "files", directory: "." },
    tls: [{ host: "127.0.0.1", port: 15012 }],
    customHosts: ["mesh.example.com"],
  });
  assert.deepEqual(names, { ipAddresses: ["127.0.0.1"], dnsNames: ["mesh.example.com"] });
});
