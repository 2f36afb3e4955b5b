/**
 * `kubectl get crd`: Istio's kinds as CustomResourceDefinitions, for reading only. They are part of
 * the program here, so nobody installs or removes them.
 */

import { ageColumn, column, textAt } from "../../api/columns.ts";
import { customResourceDefinition } from "../../api/crd.ts";
import { defineKind } from "../../api/define.ts";
import type { JsonObject, Kind } from "../../api/kind.ts";
import { any, object, string } from "../../api/schema.ts";
import { notFound, succeeded } from "../status.ts";
import { selects } from "../store/selectors.ts";
import type { Store } from "../store/store.ts";
import type { StoredObject } from "../store/stored.ts";
import { isCustom } from "./groups.ts";
import type { Reader, Served } from "./served.ts";

const customResourceDefinitionKind: Kind = defineKind({
  group: "apiextensions.k8s.io",
  versions: ["v1"],
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  namespaced: false,
  description: "A kind that is not one of Kubernetes' own.",
  fields: {
    spec: object({
      group: string(),
      names: any(),
      scope: string(),
      versions: any(),
    }),
    status: any(),
  },
  columns: [
    column("Created At", "When this kind came to be here.", crd =>
      textAt(crd, "metadata", "creationTimestamp"),
    ),
    { ...ageColumn, priority: 1 },
  ],
});

/** `since`: RFC 3339, shown as the time of their creation. */
export function derivedCrds(store: Store, since: string): Served {
  const kind = customResourceDefinitionKind;
  const objects = store.kinds
    .filter(one => isCustom(one.group))
    .map(one => definitionOf(kind, one, since))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { kind, reader: fixedReader(objects, () => store.revision), writable: false };
}

function definitionOf(definition: Kind, kind: Kind, since: string): StoredObject {
  const name = `${kind.plural}.${kind.group}`;
  const json: JsonObject = {
    ...customResourceDefinition(kind),
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: since },
    status: {
      acceptedNames: { kind: kind.kind, plural: kind.plural },
      conditions: [
        { type: "NamesAccepted", status: "True", reason: "NoConflicts" },
        { type: "Established", status: "True", reason: "InitialNamesAccepted" },
      ],
      storedVersions: [kind.storageVersion],
    },
  };
  return { kind: definition, namespace: "", name, uid: name, resourceVersion: 1, json };
}

/** Objects that never change. */
function fixedReader(objects: readonly StoredObject[], revision: () => number): Reader {
  return {
    get: (kind, _namespace, name) => {
      const found = objects.find(object => object.name === name);
      return found === undefined ? notFound(kind, name) : succeeded(found);
    },
    list: (_kind, { selection }) =>
      succeeded({
        items: objects.filter(object => selects(selection, object.json)),
        revision: revision(),
        continue: undefined,
        remaining: undefined,
      }),
    watch: (_kind, { selection, since }) => {
      let waiting = since === undefined ? [...objects] : [];
      return succeeded({
        get pastInitial() {
          return waiting.length === 0;
        },
        get position() {
          return revision();
        },
        take: () => {
          const taken = waiting.filter(object => selects(selection, object.json));
          waiting = [];
          return succeeded(taken.map(({ json }) => ({ type: "ADDED" as const, object: json })));
        },
        close: () => {},
      });
    },
  };
}
