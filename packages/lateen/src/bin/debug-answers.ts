/** Questions about the mesh over xDS, as istioctl asks them: who may, how often, and what is answered. */
import type { JsonObject } from "@bufbuild/protobuf";
import { fromCanonicalJson } from "@lateen/envoy-api/registry.js";
import { debugAccess } from "../authn/debug-access.ts";
import type { Clock } from "../base/clock.ts";
import { clientConfigs } from "../debug/client-configs.ts";
import type { ConnectionTable } from "../debug/connections.ts";
import { type DebugPage, NOT_CONNECTED, type PageSources } from "../debug/pages.ts";
import { GrpcStatus } from "../discovery/limits.ts";
import type { DebugQuestion, DebugResource, Peer, Refusal } from "../discovery/types.ts";
import { cleanPath } from "../net/clean-path.ts";
import type { HttpAnswer } from "../net/http-server.ts";
import { DebugBudget } from "./debug-budget.ts";

/** Istio's type URLs (pilot/pkg/xds/v3, statusgen.go). */
const PAGE = "istio.io/debug";
const SYNCZ = "istio.io/debug/syncz";
const CONFIG_DUMP = "istio.io/debug/config_dump";

/** No answer is larger: a client that can not take it would only ask again. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;

export interface DebugAnswersOptions {
  readonly pages: readonly DebugPage[];
  readonly connections: ConnectionTable;
  readonly configDump: PageSources["configDump"];
  /** The control plane's own. */
  readonly systemNamespace: string;
  readonly clock: Clock;
  readonly answerMaxBytes?: number;
}

export type AnswerDebug = (
  question: DebugQuestion,
  peer: Peer,
) => readonly DebugResource[] | Refusal;

export function debugAnswers(options: DebugAnswersOptions): AnswerDebug {
  const { clock, systemNamespace, answerMaxBytes = ANSWER_MAX_BYTES } = options;
  const budget = new DebugBudget(clock);
  return (question, peer) => {
    const asked = pageOf(question);
    if ("refused" in asked) return asked;
    const scope = debugAccess(peer, asked.page, systemNamespace);
    if ("refused" in scope) return scope;
    const spent = budget.spend(scope.namespace);
    if (spent !== undefined) return spent;
    const answer = answerTo(question.type, asked, scope.namespace, options);
    const bytes = answer.reduce((sum, each) => sum + each.value.length, 0);
    if (bytes <= answerMaxBytes) return answer;
    const refused = `the answer has ${bytes} bytes, at most ${answerMaxBytes}: ask at /debug by a port-forward`;
    return { refused, code: GrpcStatus.resourceExhausted };
  };
}

/** What is asked: rights go by the page, whatever type it is asked by. */
interface Asked {
  readonly page: string;
  readonly query: URLSearchParams;
  readonly name: string;
}

function pageOf({ type, names }: DebugQuestion): Asked | Refusal {
  if (type === SYNCZ) return { page: "syncz", query: new URLSearchParams(), name: "" };
  const [name] = names;
  if (type !== PAGE && type !== CONFIG_DUMP)
    return invalid(`unknown debug type: expected ${PAGE}, ${SYNCZ} or ${CONFIG_DUMP}`);
  if (name === undefined || name === "" || names.length > 1)
    return invalid(`exactly one debug request is required: found ${names.length} resource names`);
  if (type === CONFIG_DUMP)
    return { page: "config_dump", query: new URLSearchParams({ proxyID: name }), name };
  const url = URL.parse(`http://host/debug/${name}`);
  const path = cleanPath(url?.pathname ?? "/");
  if (url === null || !path.startsWith("/debug/"))
    return invalid("the resource name is no debug page: expected e.g. syncz");
  return { page: path.slice("/debug/".length), query: url.searchParams, name };
}

function answerTo(
  type: string,
  { page, query, name }: Asked,
  namespace: string | undefined,
  { pages, connections, configDump, clock }: DebugAnswersOptions,
): readonly DebugResource[] {
  if (type === SYNCZ) return clientConfigs(connections.syncz(), clock.now());
  if (type === CONFIG_DUMP) {
    const dump = configDump({ proxy: name, namespace });
    // In these words istioctl goes on to the next replica.
    return dump === undefined ? [plain(name, NOT_CONNECTED)] : dump.configs.map(encoded);
  }
  const found = pages.find(each => each.name === page);
  // Go's answer, by which istioctl knows to print what there is.
  if (found === undefined) return [plain(name, "404 page not found\n")];
  return [{ name, typeUrl: PAGE, value: bodyOf(found.answer(query, namespace)) }];
}

function encoded(config: { readonly "@type": string }): DebugResource {
  const { "@type": typeUrl, ...rest } = config;
  const value = fromCanonicalJson(typeUrl, rest as JsonObject);
  return { name: typeUrl, typeUrl, value };
}

function plain(name: string, body: string): DebugResource {
  return { name, typeUrl: PAGE, value: Buffer.from(body) };
}

function bodyOf(answer: HttpAnswer): Uint8Array {
  if ("json" in answer) return Buffer.from(JSON.stringify(answer.json));
  return "body" in answer ? Buffer.from(answer.body) : new Uint8Array();
}

function invalid(refused: string): Refusal {
  return { refused, code: GrpcStatus.invalidArgument };
}
