/**
 * Questions about the mesh on an xDS stream, as istioctl asks them (Istio: the generators for
 * `istio.io/debug`). Each gets one answer and nothing later; no proxy stands behind them.
 */
import { encodeMessage } from "@lateen/envoy-api/any.js";
import {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from "@lateen/envoy-api/envoy/service/discovery/v3/discovery.js";
import { GrpcStatus, type StreamEnd } from "./limits.ts";
import type { Request } from "./request.ts";
import { type EncodedResponse, encodeDelta, encodeSotw } from "./response.ts";
import { bodyOf } from "./shared-bodies.ts";
import type { DebugQuestion, DebugResource, Peer, Refusal, Resource } from "./types.ts";

const DEBUG_TYPE = "istio.io/debug";

export function isDebugType(type: string): boolean {
  return type === DEBUG_TYPE || type.startsWith(`${DEBUG_TYPE}/`);
}

/** Questions that wait for their answer on one stream. */
const WAITING_MAX = 8;
/** Whoever asks and stays without a further question is not kept. */
const IDLE_MS = 60_000;

export interface DebugQuestionsOptions {
  readonly form: "delta" | "sotw";
  readonly controlPlane: string;
  readonly peer: Peer;
  readonly ask: (question: DebugQuestion, peer: Peer) => readonly DebugResource[] | Refusal;
}

/** What one stream asked. An answer is made when there is room to send it, and one at a time. */
export class DebugQuestions {
  readonly #options: DebugQuestionsOptions;
  readonly #waiting: DebugQuestion[] = [];
  #answered = 0;
  #askedAtMs: number;

  constructor(options: DebugQuestionsOptions, nowMs: number) {
    this.#options = options;
    this.#askedAtMs = nowMs;
  }

  /** What it returns ends the stream. */
  receive(request: Request, nowMs: number): StreamEnd | undefined {
    this.#askedAtMs = nowMs;
    // Acknowledged answers need nothing; istioctl puts a nonce of its own into its first request.
    if (this.#isOurs(request.nonce)) return undefined;
    if (this.#waiting.length >= WAITING_MAX) {
      const message = `${WAITING_MAX} debug questions wait for their answers already`;
      return { code: GrpcStatus.resourceExhausted, message };
    }
    this.#waiting.push({ type: request.type, names: request.subscribe });
    return undefined;
  }

  /** The next answer, why the stream has to end, or undefined: nothing was asked. */
  next(): EncodedResponse | StreamEnd | undefined {
    const question = this.#waiting.shift();
    if (question === undefined) return undefined;
    const { ask, peer } = this.#options;
    const answer = ask(question, peer);
    if ("refused" in answer) return { code: answer.code, message: answer.refused };
    return this.#encode(question.type, answer);
  }

  isIdle(nowMs: number): boolean {
    return nowMs - this.#askedAtMs > IDLE_MS;
  }

  #isOurs(nonce: string): boolean {
    const number = Number(/^debug-(\d{1,9})$/.exec(nonce)?.[1] ?? 0);
    return number > 0 && number <= this.#answered;
  }

  #encode(type: string, answer: readonly DebugResource[]): EncodedResponse {
    const { form, controlPlane } = this.#options;
    this.#answered++;
    const nonce = `debug-${this.#answered}`;
    const head = { type, nonce, version: String(this.#answered), controlPlane };
    const body = bodyOf(
      form,
      answer.map(each => encoded(form, type, each)),
    );
    return form === "delta" ? encodeDelta(head, body, []) : encodeSotw(head, body);
  }
}

const nothing = new Uint8Array();

function encoded(
  form: "delta" | "sotw",
  type: string,
  { name, typeUrl, value }: DebugResource,
): Resource {
  const resource = { typeUrl, value };
  const version = "1";
  const common = { type, name, version, deltaField: nothing, sotwField: nothing };
  if (form === "sotw")
    return {
      ...common,
      sotwField: encodeMessage(DiscoveryResponse, { resources: [resource] }),
    };
  const resources = [{ name, version, resource }];
  return { ...common, deltaField: encodeMessage(DeltaDiscoveryResponse, { resources }) };
}
