/**
 * `/openapi/v2`, with no definitions. kubectl asks for it when the v3 documents have no such group
 * or kind, and only what it then looks up itself says the right thing: "no matches for kind ...".
 */
import type { HttpAnswer } from "../../net/http-server.ts";
import { jsonAnswer } from "./answer.ts";

/** What clients ask for; an `@` may not stand in a Content-Type, so servers write a dot. */
const ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const SWAGGER = "2.0";
const TITLE = "Lateen";
const VERSION = "v1";

/** A length-delimited protobuf field of fewer than 128 bytes. */
function field(number: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(number * 8 + 2, content.length), content]);
}

/** openapi.v2.Document: swagger (1), info (2) with title (1) and version (2), paths (8). */
function document(): Buffer {
  const info = Buffer.concat([field(1, Buffer.from(TITLE)), field(2, Buffer.from(VERSION))]);
  const empty = new Uint8Array();
  return Buffer.concat([field(1, Buffer.from(SWAGGER)), field(2, info), field(8, empty)]);
}

export function openApiV2(accept: string): HttpAnswer {
  if (accept.includes(ACCEPTED)) return { status: 200, body: document(), contentType: PROTOBUF };
  const json = { swagger: SWAGGER, info: { title: TITLE, version: VERSION }, paths: {} };
  return jsonAnswer(200, json, { as: "", version: "", yaml: false });
}
