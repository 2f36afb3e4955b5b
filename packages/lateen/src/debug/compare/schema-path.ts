/** What kind of thing a rewrite touches, by Envoy's descriptors. */
import type { DescMessage } from "@bufbuild/protobuf";
import { declaredType, fieldNamed, messageNamed } from "./schema.ts";

/** What an intended difference may never take out: full names of messages. */
export const PROTECTED: ReadonlySet<string> = new Set([
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
  "envoy.config.endpoint.v3.LocalityLbEndpoints",
  "envoy.config.endpoint.v3.LbEndpoint",
  "envoy.config.listener.v3.Listener",
  "envoy.config.listener.v3.FilterChain",
  "envoy.config.listener.v3.FilterChainMatch",
  "envoy.config.route.v3.RouteConfiguration",
  "envoy.config.route.v3.VirtualHost",
  "envoy.config.route.v3.Route",
  "envoy.config.route.v3.RouteMatch",
  "envoy.config.route.v3.RouteAction",
]);

/**
 * The message types on the way of a rewrite's field, the last one being what the field holds.
 * Undefined: the message or the first field does not exist. The way into an Any is not known.
 */
export function typesOnPath(message: string, field: string): DescMessage[] | undefined {
  let type = messageNamed(message);
  if (type === undefined) return undefined;
  const types: DescMessage[] = [];
  for (const [index, step] of field.split(/\.(?![^[]*\])/).entries()) {
    const name = step.replace(/\[.*$/, "");
    if (name === "@type") return types;
    const found = fieldNamed(type, name);
    if (found === undefined) return index === 0 ? undefined : types;
    type = declaredType(found);
    if (type === undefined) return types;
    types.push(type);
  }
  return types;
}
