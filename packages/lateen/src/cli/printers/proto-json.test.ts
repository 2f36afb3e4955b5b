import assert from "node:assert/strict";
import { test } from "node:test";
import { protoJson } from "./proto-json.ts";

const TYPE = "type.googleapis.com";
const CLUSTER = "envoy.config.cluster.v3.Cluster";
const SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
const HTTP_OPTIONS = `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`;

test("field names as protojson has them, in the schema's order; those of free JSON stay", () => {
  const json = protoJson(CLUSTER, {
    connect_timeout: "0.250s",
    name: "outbound|80||web",
    type: 3,
    filters: [],
    metadata: { filter_metadata: { istio: { some_key: { b_b: 1, a_a: [] } } } },
    max_requests_per_connection: 7,
  });
  assert.equal(
    JSON.stringify(json),
    '{"name":"outbound|80||web","type":"EDS","connectTimeout":"0.250s",' +
      '"maxRequestsPerConnection":7,' +
      '"metadata":{"filterMetadata":{"istio":{"some_key":{"a_a":[],"b_b":1}}}}}',
  );
});

test("what an Any holds is converted by its type; maps are by key, their keys stay", () => {
  const json = protoJson(CLUSTER, {
    typed_extension_protocol_options: {
      z_z: { "@type": "unknown/of_us", some_field: 1 },
      a_a: { "@type": HTTP_OPTIONS, use_downstream_protocol_config: { http_protocol_options: {} } },
    },
  });
  const any = { "@type": HTTP_OPTIONS, useDownstreamProtocolConfig: { httpProtocolOptions: {} } };
  assert.equal(
    JSON.stringify(json),
    JSON.stringify({
      typedExtensionProtocolOptions: {
        a_a: any,
        z_z: { "@type": "unknown/of_us", some_field: 1 },
      },
    }),
  );
  const whole = { "@type": `${TYPE}/google.protobuf.Duration`, value: "1s" };
  assert.deepEqual(protoJson("google.protobuf.Any", whole), whole);
});

test("fields and messages that are not known stay as they are; either spelling is taken", () => {
  assert.deepEqual(protoJson(CLUSTER, { connectTimeout: "1s", from_a_newer_envoy: { a_b: 1 } }), {
    connectTimeout: "1s",
    from_a_newer_envoy: { a_b: 1 },
  });
  assert.deepEqual(protoJson("no.such.Message", { a_b: 1 }), { a_b: 1 });
  assert.equal(protoJson(CLUSTER, "no object"), "no object");
});

test("private keys are never shown, wherever the dump comes from", () => {
  const json = protoJson(SECRET, {
    name: "default",
    tls_certificate: {
      certificate_chain: { inline_bytes: "Y2hhaW4=" },
      private_key: { inline_bytes: "a2V5" },
      password: { inline_string: "secret" },
    },
  });
  assert.deepEqual(json, {
    name: "default",
    tlsCertificate: {
      certificateChain: { inlineBytes: "Y2hhaW4=" },
      privateKey: { inlineBytes: Buffer.from("[redacted]").toString("base64") },
      password: { inlineString: "[redacted]" },
    },
  });
  const ofFile = { tls_certificate: { private_key: { filename: "/etc/key.pem" } } };
  assert.deepEqual(protoJson(SECRET, ofFile), {
    tlsCertificate: { privateKey: { filename: "/etc/key.pem" } },
  });
});
