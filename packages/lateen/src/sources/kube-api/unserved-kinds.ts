/**
 * Kinds that Kubernetes has and a mesh on one machine does not run. They can be listed and watched, as
 * programs do to see that there are none (`kubectl apply --prune`, `get all`), and not be written.
 */
import { ageColumn } from "../../api/columns.ts";
import { defineKind } from "../../api/define.ts";
import type { Kind } from "../../api/kind.ts";
import { any } from "../../api/schema.ts";
import { notFound, succeeded } from "../status.ts";
import type { Store } from "../store/store.ts";
import type { Reader, Served } from "./served.ts";

const AS_DEPLOYMENT = "run it as a Deployment";
const AS_POD = "run it as a Pod with restartPolicy Never";
const NO_VOLUMES = "volumes here are emptyDir, configMap, secret, projected or hostPath";

interface Unserved {
  readonly group: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  readonly inAll?: boolean;
  readonly cluster?: boolean;
  /** What to do in its place. */
  readonly instead: string;
}

const UNSERVED: readonly Unserved[] = [
  {
    group: "",
    kind: "ReplicationController",
    shortNames: ["rc"],
    inAll: true,
    instead: AS_DEPLOYMENT,
  },
  { group: "", kind: "PersistentVolumeClaim", shortNames: ["pvc"], instead: NO_VOLUMES },
  { group: "", kind: "PersistentVolume", shortNames: ["pv"], cluster: true, instead: NO_VOLUMES },
  {
    group: "apps",
    kind: "ReplicaSet",
    shortNames: ["rs"],
    inAll: true,
    instead: "Deployments here keep no ReplicaSets and no history: apply the former manifest again",
  },
  { group: "apps", kind: "StatefulSet", shortNames: ["sts"], inAll: true, instead: AS_DEPLOYMENT },
  { group: "apps", kind: "DaemonSet", shortNames: ["ds"], inAll: true, instead: AS_DEPLOYMENT },
  { group: "batch", kind: "Job", shortNames: [], inAll: true, instead: AS_POD },
  { group: "batch", kind: "CronJob", shortNames: ["cj"], inAll: true, instead: AS_POD },
];

/** Those that the store does not have. */
export function unservedKinds(store: Store): Served[] {
  const reader = nothing(store);
  return UNSERVED.map(kindOf)
    .filter(
      kind =>
        !store.kinds.some(({ group, plural }) => group === kind.group && plural === kind.plural),
    )
    .map(kind => ({ kind, reader, writable: false }));
}

/** What to do in place of writing such a kind; undefined: it is none. */
export function insteadOf({ group, kind }: Pick<Kind, "group" | "kind">): string | undefined {
  return UNSERVED.find(each => each.group === group && each.kind === kind)?.instead;
}

function kindOf({ group, kind, shortNames, inAll, cluster, instead }: Unserved): Kind {
  return defineKind({
    group,
    versions: ["v1"],
    kind,
    plural: `${kind.toLowerCase()}s`,
    shortNames,
    categories: inAll === true ? ["all"] : [],
    namespaced: cluster !== true,
    description: `Not run here: ${instead}.`,
    fields: { spec: any(), status: any() },
    columns: [ageColumn],
  });
}

function nothing(store: Store): Reader {
  return {
    get: (kind, _namespace, name) => notFound(kind, name),
    list: () =>
      succeeded({ items: [], revision: store.revision, continue: undefined, remaining: undefined }),
    watch: () =>
      succeeded({
        pastInitial: true,
        get position() {
          return store.revision;
        },
        take: () => succeeded([]),
        close: () => undefined,
      }),
  };
}
