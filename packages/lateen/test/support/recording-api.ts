/** An API server of this process that writes down what is asked of it: an empty cluster with CRDs. */
import type { JsonObject } from "../../src/api/kind.ts";
import type {
  StreamReader,
  Transport,
  TransportRequest,
  TransportResponse,
} from "../../src/sources/client/transport.ts";
import { objectAt, stringAt } from "../../src/sources/json.ts";

/** What RBAC sees of a request. */
export interface Asked {
  readonly verb: string;
  readonly group: string;
  /** With the subresource: `services/status`. */
  readonly resource: string;
  /** "" for all, or a kind without namespaces. */
  readonly namespace: string;
}

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export class RecordingApi implements Transport {
  readonly asked: Asked[] = [];
  readonly #crds: readonly string[];

  readonly #review: (token: string) => JsonObject;

  /** `crds`: `plural.group`; `review`: the status of a TokenReview. */
  constructor(crds: readonly string[], review: (token: string) => JsonObject = () => ({})) {
    this.#crds = crds;
    this.#review = review;
  }

  async request({ method, target, body }: TransportRequest): Promise<TransportResponse> {
    const url = new URL(target, "http://api");
    this.asked.push(askedBy(method, url));
    await Promise.resolve();
    if (url.pathname.endsWith("/tokenreviews")) {
      const token = stringAt(objectAt(JSON.parse(body ?? "{}"), "spec"), "token");
      return answer(201, { status: this.#review(token) });
    }
    if (method !== "GET") return answer(201, JSON.parse(body ?? "{}"));
    if (url.pathname === "/version") return answer(200, { major: "1", minor: "36" });
    if (url.pathname === CRDS) return answer(200, listOf(this.#crds.map(crd)));
    if (url.pathname === "/api/v1/namespaces")
      return answer(200, listOf(["default", "istio-system"].map(named)));
    const name = partsOf(url).name;
    if (name === "") return answer(200, listOf([]));
    if (url.pathname.startsWith(`${CRDS}/`)) return answer(200, crd(name));
    return answer(404, { kind: "Status", code: 404, reason: "NotFound", message: "not found" });
  }

  stream({ method, target }: TransportRequest, reader: StreamReader): () => void {
    this.asked.push(askedBy(method, new URL(target, "http://api")));
    reader.onOpen();
    return () => {};
  }
}

function answer(status: number, body: object): TransportResponse {
  return { status, warning: "", body: JSON.stringify(body) };
}

function named(name: string): JsonObject {
  return { metadata: { name, uid: name, resourceVersion: "1" } };
}

function crd(name: string): JsonObject {
  return { ...named(name), spec: { versions: [{ name: "v1", served: true }] } };
}

function listOf(items: readonly JsonObject[]): JsonObject {
  return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: "1" }, items: [...items] };
}

interface Parts {
  readonly group: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
}

/** Of `/api/v1/...` and `/apis/GROUP/VERSION/...`. */
function partsOf(url: URL): Parts {
  const words = url.pathname.split("/").slice(1);
  const [group, rest] =
    words[0] === "api" ? ["", words.slice(2)] : [words[1] ?? "", words.slice(3)];
  const isInside = rest[0] === "namespaces" && rest.length > 2;
  const namespace = isInside ? (rest[1] ?? "") : "";
  const [plural = "", name = "", sub = ""] = isInside ? rest.slice(2) : rest;
  return { group, namespace, resource: sub === "" ? plural : `${plural}/${sub}`, name };
}

function askedBy(method: string, url: URL): Asked {
  const { group, namespace, resource, name } = partsOf(url);
  return { verb: verbOf(method, name, url), group, resource, namespace };
}

const VERBS = new Map([
  ["POST", "create"],
  ["PUT", "update"],
  ["PATCH", "patch"],
  ["DELETE", "delete"],
]);

function verbOf(method: string, name: string, url: URL): string {
  const verb = VERBS.get(method);
  if (verb !== undefined) return verb;
  if (url.searchParams.get("watch") === "true") return "watch";
  return name === "" ? "list" : "get";
}
