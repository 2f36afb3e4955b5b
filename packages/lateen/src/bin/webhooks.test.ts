/**
 * The API server calls our webhooks only while it trusts the certificate that they show it: whatever it
 * holds as their caBundle has to be enough for what is served at that moment.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { operatorRoot, type PluggedCa } from "../../test/support/plugged-ca.ts";
import type { JsonObject } from "../api/kind.ts";
import { silentLog } from "../base/log.ts";
import { certificatesIn, type OpenedAuthority, openAuthority } from "../ca/authority.ts";
import { LiveAuthority, ROOT_SPREAD_MS } from "../ca/live-authority.ts";
import { createServerCertificate } from "../ca/server-cert.ts";
import { ApiClient } from "../sources/client/api-client.ts";
import type { StreamReader, Transport, TransportResponse } from "../sources/client/transport.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { startWebhooks } from "./webhooks.ts";

const start = Date.UTC(2026, 5, 1);
const minute = 60_000;
const hour = 60 * minute;
const HOST = "istiod.istio-system.svc";
const ADMISSION = "/apis/admissionregistration.k8s.io/v1/";
const PLURALS = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

function configuration(): JsonObject {
  const service = { namespace: "istio-system", name: "istiod", path: "/validate" };
  return {
    metadata: {
      name: "ours",
      uid: "1",
      resourceVersion: "1",
      labels: { "istio.io/rev": "default" },
    },
    webhooks: [{ name: "a.b.c", failurePolicy: "Ignore", clientConfig: { service } }],
  };
}

/** Both configurations, patched and watched as an API server has them, and nothing else. */
class Admission implements Transport {
  readonly #objects = new Map(PLURALS.map(plural => [plural, configuration()]));
  readonly #readers = new Map<string, StreamReader>();
  #version = 1;
  /** After each change, before anybody is told. */
  onPatched: () => void = () => {};
  patches = 0;

  bundles(): readonly string[] {
    return [...this.#objects.values()].map(object => {
      const [webhook] = arrayAt(object, "webhooks").filter(isObject);
      return Buffer.from(
        stringAt(objectAt(webhook ?? {}, "clientConfig"), "caBundle"),
        "base64",
      ).toString();
    });
  }

  /** Their failurePolicy. */
  policies(): readonly unknown[] {
    return [...this.#objects.values()].flatMap(object =>
      arrayAt(object, "webhooks")
        .filter(isObject)
        .map(each => each["failurePolicy"]),
    );
  }

  request(request: Parameters<Transport["request"]>[0]): Promise<TransportResponse> {
    return Promise.resolve(this.#answer(request));
  }

  stream(request: Parameters<Transport["stream"]>[0], reader: StreamReader): () => void {
    const plural = pluralOf(request.target);
    this.#readers.set(plural, reader);
    queueMicrotask(() => reader.onOpen());
    return () => void this.#readers.delete(plural);
  }

  #answer({ method, target, body = "{}" }: Parameters<Transport["request"]>[0]): TransportResponse {
    const plural = pluralOf(target);
    const object = this.#objects.get(plural);
    if (method === "PATCH" && object !== undefined) {
      this.patches++;
      const resourceVersion = String(++this.#version);
      const metadata = { ...objectAt(object, "metadata"), resourceVersion };
      const changed = { ...object, ...JSON.parse(body), metadata };
      this.#objects.set(plural, changed);
      this.onPatched();
      const line = JSON.stringify({ type: "MODIFIED", object: changed });
      queueMicrotask(() => this.#readers.get(plural)?.onLines([line]));
      return answer(200, changed);
    }
    // The Gateway that only the validator refuses.
    if (method === "POST")
      return answer(403, { message: 'admission webhook "a" denied the request' });
    const items = object === undefined ? [] : [object];
    return answer(200, { items, metadata: { resourceVersion: String(this.#version) } });
  }
}

function pluralOf(target: string): string {
  return target.startsWith(ADMISSION)
    ? (target.slice(ADMISSION.length).split(/[/?]/)[0] ?? "")
    : "";
}

function answer(status: number, body: JsonObject): TransportResponse {
  return { status, warning: "", body: JSON.stringify(body) };
}

/** As TLS servers of Go's do it: from the first certificate to one of the bundle. */
function isTrusted(chainPem: string, bundle: string, now: number): boolean {
  const [leaf, ...between] = certificatesIn(chainPem);
  const roots = bundle === "" ? [] : certificatesIn(bundle);
  const isIssuer = (subject: X509Certificate, issuer: X509Certificate): boolean =>
    subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
  const isValid = ({ validFrom, validTo }: X509Certificate): boolean =>
    Date.parse(validFrom) <= now && now < Date.parse(validTo);
  const leads = (from: X509Certificate, depth: number): boolean =>
    isValid(from) &&
    (roots.some(root => isValid(root) && isIssuer(from, root)) ||
      (depth < between.length &&
        between.some(next => isIssuer(from, next) && leads(next, depth + 1))));
  return leaf?.checkHost(HOST) === HOST && leads(leaf, 0);
}

/** What the server shows whoever calls it. */
function shown(port: number): Promise<X509Certificate | undefined> {
  return new Promise((done, fail) => {
    const options = { host: "127.0.0.1", port, servername: HOST, rejectUnauthorized: false };
    const socket = connect(options, () => {
      done(socket.getPeerX509Certificate());
      socket.destroy();
    });
    socket.on("error", fail);
  });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}

function opened(material: PluggedCa): OpenedAuthority {
  const result = openAuthority(material, start);
  assert.ok(result.ok, JSON.stringify(result.diagnostics));
  return result.value;
}

async function running(t: TestContext, first: PluggedCa) {
  const clock = new FakeClock(start);
  const api = new Admission();
  const options = { clock, log: silentLog, spreadMs: ROOT_SPREAD_MS };
  const authority = new LiveAuthority(opened(first), options);
  const certificate = createServerCertificate({ ...options, authority, namespace: "istio-system" });
  authority.onChanged(({ issuer }) => issuer && certificate.renew());
  let checks = 0;
  const check = (): void => {
    checks++;
    const { certificatePem } = certificate.current();
    for (const [i, bundle] of api.bundles().entries())
      assert.ok(
        isTrusted(certificatePem, bundle, clock.now()),
        `${PLURALS[i]} after ${(clock.now() - start) / 1000} s`,
      );
  };
  const webhooks = await startWebhooks({
    ...options,
    endpoint: { host: "127.0.0.1", port: 0 },
    client: new ApiClient(api),
    namespace: "istio-system",
    revision: "default",
    version: "1",
    certificate,
    authority,
    random: () => 0,
    onReview: () => undefined,
  });
  t.after(async () => {
    await webhooks.stop();
    certificate.dispose();
    authority.dispose();
  });
  await settle();
  await settle();
  // From here on at every moment: before anything is patched, after each patch, and in between.
  certificate.onRenewed(check);
  api.onPatched = check;
  check();
  const leaf = (): X509Certificate => new X509Certificate(certificate.current().certificatePem);
  const pass = async (ms: number, stepMs: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      check();
      await settle();
      check();
      assert.equal((await shown(webhooks.port))?.fingerprint256, leaf().fingerprint256);
    }
  };
  return { api, authority, certificate, clock, leaf, pass, checks: () => checks };
}

function root(name: string) {
  return operatorRoot("ec", ` ${name}`, start - hour, start + 1000 * hour);
}

test("a certificate that is renewed is trusted by the bundles that are there already", async t => {
  const { api, leaf, pass } = await running(t, root("A").plugged());
  const seen = new Set<string>();
  const before = api.patches;
  assert.deepEqual(api.policies(), ["Ignore", "Fail"], "the validator works, and was closed");
  for (let i = 0; i < 26; i++) {
    await pass(hour, 30 * minute);
    seen.add(leaf().serialNumber);
  }
  assert.equal(seen.size, 3, "every twelve hours");
  assert.equal(api.patches, before, "there was nothing to say");
});

test("at no moment of a change of the root is a webhook's certificate one that the API server refuses", async t => {
  const [a, b] = [root("A"), root("B")];
  const { api, authority, leaf, pass } = await running(t, a.plugged());
  const holds = (): readonly string[] =>
    api.bundles().map(bundle =>
      certificatesIn(bundle)
        .map(each => each.subject.replace("CN=Root CA ", ""))
        .sort()
        .join(""),
    );
  const issuer = (): string => leaf().issuer.replace("CN=Intermediate CA ", "");
  assert.deepEqual([holds(), issuer()], [["A", "A"], "A"]);
  authority.offer(opened(b.plugged()));
  await pass(5_000, 1_000);
  assert.deepEqual([holds(), issuer()], [["AB", "AB"], "A"], "first both are trusted");
  await pass(ROOT_SPREAD_MS - 10_000, 5_000);
  assert.equal(issuer(), "A");
  await pass(10_000, 1_000);
  assert.deepEqual([holds(), issuer()], [["AB", "AB"], "B"], "then the new one signs");
  await pass(2 * ROOT_SPREAD_MS + 60_000, 10_000);
  assert.deepEqual([holds(), issuer()], [["B", "B"], "B"], "and the old one goes last");
  assert.deepEqual(api.policies(), ["Ignore", "Fail"]);
});

test("a change that is taken back before it is done, and another after it", async t => {
  const [a, b, c] = [root("A"), root("B"), root("C")];
  const first = a.plugged();
  const { authority, pass, checks, leaf } = await running(t, first);
  authority.offer(opened(b.plugged()));
  await pass(30_000, 5_000);
  authority.offer(opened(first));
  await pass(30_000, 5_000);
  authority.offer(opened(c.plugged([c, a])));
  await pass(ROOT_SPREAD_MS + 10_000, 5_000);
  authority.offer(opened(b.plugged()));
  await pass(4 * ROOT_SPREAD_MS, 10_000);
  assert.match(leaf().issuer, /Intermediate CA B/);
  assert.ok(checks() > 100);
});
