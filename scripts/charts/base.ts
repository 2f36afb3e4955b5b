/** The templates of chart base: CRDs, the reader's account, the validator of the default revision. */
import { stringify } from "yaml";
import type { Json, JsonObject } from "../../packages/lateen/src/api/kind.ts";
import { TODAY } from "../../packages/lateen/src/bin/install-input.ts";
import { renderParts } from "../../packages/lateen/src/bin/install-parts.ts";
import type { Installation } from "../../packages/lateen/src/install/operator.ts";
import { render } from "../../packages/lateen/src/install/render.ts";
import { objectAt } from "../../packages/lateen/src/sources/json.ts";
import { chartObject, files, withoutMarks, withPolicy } from "./objects.ts";
import { type Holes, hole } from "./template.ts";
import { type Scalar, type Tree, treeOf, vary } from "./tree.ts";

const REVISION = ".Values.defaultRevision";
const HOLES: Holes = {
  named: {
    labels: {
      type: "lines",
      expression: `{{- include "lateen.labels" (dict "root" $ "component" "Base") | nindent 4 }}`,
    },
    policy: {
      type: "text",
      expression: 'include "lateen.failurePolicy" "istiod-default-validator"',
    },
    namespace: { type: "text", expression: ".Values.global.istioNamespace" },
    revision: { type: "text", expression: REVISION },
    istiod: {
      type: "text",
      expression: `eq ${REVISION} "default" | ternary "istiod" (printf "istiod-%s" ${REVISION})`,
    },
    url: { type: "text", expression: 'trimSuffix "/validate" .Values.base.validationURL' },
  },
  numbers: new Map(),
};

function installation(values: JsonObject): Installation {
  return {
    profile: "default",
    revision: hole("revision"),
    namespace: hole("namespace"),
    version: "0",
    hub: "hub",
    tag: "tag",
    meshConfig: {},
    components: { base: { enabled: true }, pilot: { enabled: true } },
    values,
    spec: {},
  };
}

function rendered(values: JsonObject): JsonObject[] {
  const result = render(installation(values), renderParts("0", TODAY), { makeDefault: true });
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value.filter(each => each.component === "Base").map(each => each.object);
}

function objects(values: JsonObject): Json {
  const rest = rendered(values).filter(
    ({ kind }) => kind !== "CustomResourceDefinition" && kind !== "Namespace",
  );
  const named = JSON.stringify(rest).replaceAll(`istiod-${hole("revision")}`, hole("istiod"));
  const read: JsonObject[] = JSON.parse(named);
  return read.map(each => withPolicy(chartObject(each, hole("labels")), hole("policy")));
}

function same(basis: Scalar, varied: Scalar): Scalar | undefined {
  return basis === varied ? basis : undefined;
}

function template(): Tree {
  const unless = { when: `or (not ${REVISION}) (eq .Values.global.configValidation false)` };
  const withUrl = { when: ".Values.base.validationURL" };
  const none = vary(treeOf(objects({})), objects({ global: { configValidation: false } }), {
    ...unless,
    both: same,
  });
  const url = objects({ base: { validationURL: hole("url") } });
  const both = none && vary(none, url, { ...withUrl, both: same });
  if (both === undefined) throw new Error("base: it is another kind of thing");
  return both;
}

/** Helm upgrades what is in templates, and, being told so, leaves it when the release goes. */
function definitions(): string {
  return rendered({})
    .filter(({ kind }) => kind === "CustomResourceDefinition")
    .map(each => {
      const plain = withoutMarks(each);
      const { labels: _none, ...metadata } = objectAt(plain, "metadata");
      const annotations = {
        ...objectAt(metadata, "annotations"),
        "helm.sh/resource-policy": "keep",
      };
      return stringify(
        { ...plain, metadata: { ...metadata, annotations } },
        { aliasDuplicateObjects: false, indentSeq: false, lineWidth: 0 },
      );
    })
    .join("---\n");
}

/** Text by path below the chart's folder. */
export function baseTemplates(): ReadonlyMap<string, string> {
  return new Map([...files(template(), HOLES), ["files/crd-all.gen.yaml", definitions()]]);
}
