/**
 * Whose a namespace's ConfigMap `istio-ca-root-cert` is where several meshes of Lateen's run in one cluster,
 * each with a root of its own. Istio's control planes write it wherever their discovery selectors reach,
 * in turn where those overlap; here the one that injects there has it, else the one that was first.
 */
import type { JsonObject } from "../api/kind.ts";
import { objectAt, stringAt } from "../sources/json.ts";

/** On the ConfigMap: the namespace of the control plane that keeps it. */
export const KEEPER_ANNOTATION = "lateen.dev/control-plane-namespace";

export interface RootOwnership {
  /** Namespace of this control plane. */
  readonly self: string;
  /** The namespace of the control plane that injects where a namespace has these labels. */
  readonly injectorOf: (labels: JsonObject) => string | undefined;
  /** Whether a control plane of Lateen's is in that namespace, also one that is scaled to nothing. */
  readonly runsIn: (namespace: string) => boolean;
}

/** What is there of a namespace's ConfigMap. */
export interface WrittenRoots {
  readonly text: string;
  /** Of `KEEPER_ANNOTATION`; "" where nobody says so. */
  readonly keeper: string;
}

export function writtenRoots(configMap: JsonObject, key: string): WrittenRoots {
  const annotations = objectAt(objectAt(configMap, "metadata"), "annotations");
  return {
    text: stringAt(objectAt(configMap, "data"), key),
    keeper: stringAt(annotations, KEEPER_ANNOTATION),
  };
}

/**
 * `left`: another one's by its injection, or ours as much as another one's, which was first. `takenFrom`: ours
 * because the one that keeps it is not there, and may come again; "": nobody's.
 */
export type RootClaim =
  | { readonly is: "ours"; readonly takenFrom: string }
  | { readonly is: "left"; readonly to: string; readonly isContested: boolean };

/** `labels` are of the namespace. */
export function claimRoots(
  { self, injectorOf, runsIn }: RootOwnership,
  namespace: string,
  labels: JsonObject,
  written: WrittenRoots | undefined,
): RootClaim {
  const injector = runsIn(namespace) ? namespace : injectorOf(labels);
  if (injector === self) return { is: "ours", takenFrom: "" };
  // Also while it is switched off: pods there run with its proxies, and new ones ask it.
  if (injector !== undefined) return { is: "left", to: injector, isContested: false };
  const keeper = written?.keeper ?? "";
  if (keeper === "" || keeper === self) return { is: "ours", takenFrom: "" };
  if (!runsIn(keeper)) return { is: "ours", takenFrom: keeper };
  return { is: "left", to: keeper, isContested: true };
}
