/**
 * Gives Services their ClusterIP and node ports, as the API server does: in the transaction that
 * writes the Service, so that no two get the same.
 */
import type { Json, JsonObject } from "../../api/kind.ts";
import { assert } from "../../base/assert.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../json.ts";
import { type ApiResult, failed, invalid, succeeded } from "../status.ts";
import type { Admission, AdmissionRequest } from "./admission.ts";
import { resourceId, type StoredObject } from "./stored.ts";

export interface ServiceAddressOptions {
  /** IPv4, e.g. `10.96.0.0/16`. */
  readonly cidr: string;
  /** First and last node port. Default: Kubernetes' 30000 to 32767. */
  readonly nodePorts?: readonly [number, number];
}

const SERVICES = "/services";

export function serviceAddresses(options: ServiceAddressOptions): Admission {
  const pool = new AddressPool(options.cidr);
  const ports = options.nodePorts ?? [30_000, 32_767];
  return request => {
    if (resourceId(request.kind) !== SERVICES) return succeeded(request.object);
    const others = othersOf(request);
    const addressed = withClusterIp(request, others, pool);
    if (!addressed.ok) return addressed;
    return withNodePorts({ ...request, object: addressed.value }, others, ports);
  };
}

class AddressPool {
  readonly cidr: string;
  readonly #first: number;
  /** Addresses that may be given: neither the first nor the last of the range. */
  readonly #usable: number;
  /** Goes round, so that the address of a Service that went is not soon another one's. */
  #next: number;

  constructor(cidr: string) {
    const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
    const first = toNumber(match?.[1] ?? "");
    const bits = Number(match?.[2]);
    assert(first !== undefined && bits >= 8 && bits <= 30, `not an IPv4 service range: ${cidr}`);
    const size = 2 ** (32 - bits);
    this.cidr = cidr;
    this.#first = first;
    this.#usable = size - 2;
    // What lies below is for addresses that people choose (Kubernetes' lower band).
    this.#next = Math.min(Math.max(16, size / 16), 256);
  }

  holds(address: string): boolean {
    const offset = (toNumber(address) ?? 0) - this.#first;
    return offset > 0 && offset <= this.#usable;
  }

  free(used: ReadonlySet<string>): string | undefined {
    for (let i = 0; i < this.#usable; i++) {
      const offset = 1 + (this.#next++ % this.#usable);
      const address = toAddress(this.#first + offset);
      if (!used.has(address)) return address;
    }
    return undefined;
  }
}

function toNumber(address: string): number | undefined {
  const parts = address.split(".").map(Number);
  const valid = parts.length === 4 && parts.every(part => part >= 0 && part <= 255);
  if (!valid || !/^[\d.]+$/.test(address)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join(".");
}

function othersOf(request: AdmissionRequest): StoredObject[] {
  const own = stringAt(objectAt(request.object, "metadata"), "uid");
  const { tables } = request;
  return tables
    .keys(SERVICES)
    .map(key => tables.at(SERVICES, key))
    .filter(other => other !== undefined)
    .filter(other => other.uid !== own);
}

function withClusterIp(
  request: AdmissionRequest,
  others: readonly StoredObject[],
  pool: AddressPool,
): ApiResult<JsonObject> {
  const { object } = request;
  const { clusterIPs: _list, clusterIP: _one, ...spec } = objectAt(object, "spec");
  if (stringAt(spec, "type") === "ExternalName") return succeeded({ ...object, spec });
  const before = objectAt(request.before ?? {}, "spec");
  const asked = stringAt(objectAt(object, "spec"), "clusterIP") || stringAt(before, "clusterIP");
  const used = new Set(others.map(other => stringAt(objectAt(other.json, "spec"), "clusterIP")));
  const problem = asked === "" ? undefined : addressProblem(asked, used, pool);
  if (problem !== undefined) return invalidAddress(request, asked, problem);
  const address = asked === "" ? pool.free(used) : asked;
  if (address === undefined)
    return failed(500, "InternalError", `no free ClusterIP is left in ${pool.cidr}`);
  const families = { ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" };
  return succeeded({
    ...object,
    spec: { clusterIP: address, clusterIPs: [address], ...families, ...spec },
  });
}

function addressProblem(
  address: string,
  used: ReadonlySet<string>,
  pool: AddressPool,
): string | undefined {
  if (address === "None") return undefined;
  if (!pool.holds(address))
    return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${pool.cidr}`;
  return used.has(address) ? "provided IP is already allocated" : undefined;
}

function invalidAddress(
  request: AdmissionRequest,
  address: string,
  problem: string,
): ApiResult<JsonObject> {
  const name = stringAt(objectAt(request.object, "metadata"), "name");
  const message = `Invalid value: ["${address}"]: failed to allocate IP ${address}: ${problem}`;
  return invalid(request.kind, name, [
    { reason: "FieldValueInvalid", message, field: "spec.clusterIPs" },
  ]);
}

function withNodePorts(
  request: AdmissionRequest,
  others: readonly StoredObject[],
  [first, last]: readonly [number, number],
): ApiResult<JsonObject> {
  const { object } = request;
  const spec = objectAt(object, "spec");
  const type = stringAt(spec, "type");
  const wants =
    type === "NodePort" ||
    (type === "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] !== false);
  const ports = arrayAt(spec, "ports").filter(isObject);
  const before = arrayAt(objectAt(request.before ?? {}, "spec"), "ports").filter(isObject);
  const known = new Map(before.toReversed().map(port => [portKey(port), port]));
  const kept = ports.map(port => keepNodePort(port, known.get(portKey(port)), wants));
  if (!wants) return succeeded({ ...object, spec: { ...spec, ports: kept } });
  const used = new Set(others.flatMap(other => nodePortsOf(other.json)));
  for (const [i, port] of kept.entries()) {
    const asked = port["nodePort"];
    if (typeof asked !== "number" || asked === 0) continue;
    if (used.has(asked))
      return invalidPort(request, i, asked, "provided port is already allocated");
    if (asked < first || asked > last) {
      const range = `The range of valid ports is ${first}-${last}`;
      return invalidPort(request, i, asked, `provided port is not in the valid range. ${range}`);
    }
    used.add(asked);
  }
  const given: JsonObject[] = [];
  for (const port of kept) {
    const nodePort = hasNodePort(port) ? port["nodePort"] : freePort(used, first, last);
    if (nodePort === undefined)
      return failed(500, "InternalError", `no free node port is left in ${first}-${last}`);
    given.push({ ...port, nodePort });
  }
  return succeeded({ ...object, spec: { ...spec, ports: given } });
}

function hasNodePort(port: JsonObject): boolean {
  return typeof port["nodePort"] === "number" && port["nodePort"] > 0;
}

function portKey(port: JsonObject): string {
  return `${String(port["port"])}/${String(port["protocol"])}`;
}

/** A port keeps its node port while the Service has any, and loses it with them. */
function keepNodePort(port: JsonObject, old: JsonObject | undefined, wants: boolean): JsonObject {
  if (wants) {
    const nodePort = old?.["nodePort"];
    return hasNodePort(port) || nodePort === undefined ? port : { ...port, nodePort };
  }
  if (old === undefined || old["nodePort"] !== port["nodePort"]) return port;
  const { nodePort: _dropped, ...rest } = port;
  return rest;
}

function nodePortsOf(service: JsonObject): Json[] {
  const ports = arrayAt(objectAt(service, "spec"), "ports").filter(isObject);
  return ports.filter(hasNodePort).map(port => port["nodePort"] ?? 0);
}

function freePort(used: Set<Json>, first: number, last: number): number | undefined {
  for (let port = first; port <= last; port++) {
    if (used.has(port)) continue;
    used.add(port);
    return port;
  }
  return undefined;
}

function invalidPort(
  request: AdmissionRequest,
  index: number,
  port: number,
  problem: string,
): ApiResult<JsonObject> {
  const name = stringAt(objectAt(request.object, "metadata"), "name");
  const field = `spec.ports[${index}].nodePort`;
  const message = `Invalid value: ${port}: ${problem}`;
  return invalid(request.kind, name, [{ reason: "FieldValueInvalid", message, field }]);
}
