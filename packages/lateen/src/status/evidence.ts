/**
 * Whether what proxies reject is good evidence against an object. Any proxy is sent configuration of
 * all namespaces and may reject it in whatever words it likes, so that one of them alone says nothing
 * about objects of others.
 */
import type { Rejection } from "./object-report.ts";

/** So many other namespaces are no single tenant's. */
const MANY_NAMESPACES = 3;

export interface Weighed {
  /** Rejected by proxies of the object's own namespace, of the mesh's root, or of several others. */
  readonly confirmed: readonly Rejection[];
  readonly disputed: readonly Rejection[];
}

/** Who is in the object's namespace may change it anyway, who is in the root's, everything. */
export function isTrusted(
  witness: string | undefined,
  objectNamespace: string,
  rootNamespace: string,
): boolean {
  return witness !== undefined && (witness === objectNamespace || witness === rootNamespace);
}

export function weigh(
  rejections: readonly Rejection[],
  objectNamespace: string,
  rootNamespace: string,
): Weighed {
  const byResource = Map.groupBy(rejections, ({ type, resource }) => `${type}\n${resource}`);
  const confirmed: Rejection[] = [];
  const disputed: Rejection[] = [];
  for (const group of byResource.values()) {
    const trusted = group.filter(({ namespaces }) =>
      namespaces.some(each => isTrusted(each, objectNamespace, rootNamespace)),
    );
    const witnesses = new Set(group.flatMap(({ namespaces }) => namespaces));
    if (trusted.length > 0) confirmed.push(...trusted);
    else if (witnesses.size >= MANY_NAMESPACES) confirmed.push(...group);
    else disputed.push(...group);
  }
  return { confirmed, disputed };
}

/** It comes from outside and goes into objects and logs. */
export function plainText(text: string, maxChars: number): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return plain.length <= maxChars ? plain : `${plain.slice(0, maxChars)}...`;
}

/** `proxy web-1.shop rejected RDS 80: "bad regex" (and 2 more did)`. */
export function rejectionText({ type, resource, message, proxy, proxies }: Rejection): string {
  const more = proxies > 1 ? ` (and ${proxies - 1} more did)` : "";
  return `proxy ${proxy} rejected ${type} ${resource}: ${JSON.stringify(message)}${more}`;
}

/** Without any word of the proxies. */
export function disputeText({ type, resource, namespaces }: Rejection): string {
  const whose =
    namespaces.length === 0 ? "without an identity" : `of namespace ${namespaces.join(", ")}`;
  return `${type} ${resource} is rejected by proxies ${whose} alone`;
}
