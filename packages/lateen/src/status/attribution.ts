/** From a resource that Envoy rejected back to the objects that it was made from. */
import { gatewayKind } from "../api/gateway/kind.ts";
import type { Json } from "../api/kind.ts";
import { serviceKind } from "../api/service/kind.ts";
import { serviceEntryKind } from "../api/service-entry/kind.ts";
import { kindWithGroup, objectName } from "../base/object-name.ts";
import type { Model } from "../model/model.ts";
import type { ProxyClass } from "../model/proxies.ts";
import { isArray, isObject, objectAt, stringAt } from "../sources/json.ts";
import { TypeUrl } from "../xds/resource.ts";
import { parseOutboundName } from "../xds/resources/outbound-names.ts";

export interface RejectedResource {
  readonly type: string;
  readonly name: string;
  /** Canonical protobuf JSON; undefined: it is not there any more. */
  readonly json: Json | undefined;
  readonly proxyClass: ProxyClass;
  /** Envoy's reason. */
  readonly message: string;
}

/** More suspects than this are no attribution. */
const MAX_OBJECTS = 8;

/**
 * Keys `objectName`; empty where nobody can be named. Routes and clusters say which object
 * they are from (`filter_metadata.istio.config`); of several in one resource, those count that hold
 * something that the message names.
 */
export function objectsBehind(model: Model, rejected: RejectedResource): readonly string[] {
  const { type, name, json, proxyClass, message } = rejected;
  if (type === TypeUrl.listener && proxyClass.gateway !== undefined)
    return few(gatewaysOnPort(model, proxyClass.gateway, name));
  const suspects = json === undefined ? [] : suspectsIn(json);
  if (suspects.length > 0) return few(narrow(suspects, message));
  return few(servicesOf(model, [name, ...clusterNamesIn(json)]));
}

function few(keys: readonly string[]): readonly string[] {
  const distinct = [...new Set(keys)].sort();
  return distinct.length > MAX_OBJECTS ? [] : distinct;
}

interface Suspect {
  readonly key: string;
  /** What is in the resource because of it. */
  readonly text: string;
}

/** Messages with `metadata.filterMetadata.istio.config`; those in a virtual host have its domains. */
function suspectsIn(json: Json, around = ""): Suspect[] {
  if (isArray(json)) return json.flatMap(item => suspectsIn(item, around));
  if (!isObject(json)) return [];
  const config = stringAt(
    objectAt(objectAt(objectAt(json, "metadata"), "filterMetadata"), "istio"),
    "config",
  );
  const key = keyOfConfig(config);
  if (key !== undefined) return [{ key, text: around + JSON.stringify(json) }];
  const domains = json["domains"];
  const inside = domains === undefined ? around : JSON.stringify([json["name"] ?? "", domains]);
  return Object.values(json).flatMap(value => suspectsIn(value, inside));
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`. */
function keyOfConfig(path: string): string | undefined {
  const match = /^\/apis\/([^/]+)\/[^/]+\/namespaces\/([^/]*)\/([a-z-]+)\/([^/]+)$/.exec(path);
  if (match === null) return undefined;
  const [, group = "", namespace = "", dashed = "", name = ""] = match;
  const kind = dashed.replace(/(?:^|-)([a-z])/g, (_all, letter: string) => letter.toUpperCase());
  return objectName({ group, kind }, namespace, name);
}

function narrow(suspects: readonly Suspect[], message: string): readonly string[] {
  const words = wordsOf(message);
  const named = suspects.filter(({ text }) => words.some(word => text.includes(word)));
  return (named.length > 0 ? named : suspects).map(({ key }) => key);
}

/** What Envoy quotes of the configuration, as it stands in JSON. */
function wordsOf(message: string): readonly string[] {
  const quoted = [...message.matchAll(/'([^']+)'|"([^"]+)"/g)].map(match => match[1] ?? match[2]);
  const names = message.split(/[\s,;'"]+/).map(word => word.replace(/[.:]+$/, ""));
  return [...quoted, ...names.filter(word => word.length >= 4 && /[^A-Za-z]/.test(word))].flatMap(
    word => (word === undefined ? [] : [JSON.stringify(word).slice(1, -1)]),
  );
}

function clusterNamesIn(json: Json | undefined): readonly string[] {
  if (isArray(json)) return json.flatMap(clusterNamesIn);
  if (json === undefined || !isObject(json)) return [];
  return Object.entries(json).flatMap(([key, value]) =>
    key === "cluster" && typeof value === "string" ? [value] : clusterNamesIn(value),
  );
}

/** The Services and ServiceEntries that names of clusters stand for. */
function servicesOf(model: Model, names: readonly string[]): readonly string[] {
  const hosts = new Set(names.flatMap(name => parseOutboundName(name)?.hostname ?? []));
  return [...hosts].flatMap(host =>
    model.shapesByHostname.keysOf(host).flatMap(service => {
      const source = model.services.get(service)?.source;
      if (source === undefined) return [];
      const kind = source.kind === serviceKind.kind ? serviceKind : serviceEntryKind;
      return [objectName(kind, source.namespace, source.name)];
    }),
  );
}

/** `0.0.0.0_8080`. */
function gatewaysOnPort(model: Model, set: string, listener: string): readonly string[] {
  const row = model.proxies.gatewaySets.get(set);
  const port = Number(listener.slice(listener.lastIndexOf("_") + 1));
  return (row?.gateways ?? []).flatMap(key => {
    const servers = model.inputs.gateways.get(key)?.spec.servers ?? [];
    const serves = servers.some(server => {
      const { number } = server.port;
      return (row?.targetPorts[number] ?? number) === port;
    });
    return serves ? [`${kindWithGroup(gatewayKind)}/${key}`] : [];
  });
}
