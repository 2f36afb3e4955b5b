/**
 * Whether an injection webhook is called for pods that another one is called for: then they would get
 * two sidecars' worth of answers. Tried with the labels that injection looks at (istioctl analyze,
 * IST0139).
 */
import type { JsonObject } from "../api/kind.ts";
import { selects } from "../api/label-selector.ts";
import { REVISION_LABEL } from "../api/revision-label.ts";
import { INJECT_LABEL, NAMESPACE_LABEL } from "../proxy/inject.ts";
import { arrayAt, isObject, objectAt, stringAt } from "../sources/json.ts";
import { selectorFromJson } from "../sources/selector-json.ts";

type Labels = Readonly<Record<string, string>>;

/** `CONFIGURATION/WEBHOOK` of the others that are called for the same pods, in order. */
export function overlaps(configuration: JsonObject, others: readonly JsonObject[]): string[] {
  const own = nameOf(configuration);
  const webhooks = injectorsOf(configuration);
  const all = [configuration, ...others];
  const questions = questionsAbout(all.flatMap(revisionsNamed));
  const called = questions.filter(question => webhooks.some(each => calls(each, question)));
  return others
    .filter(each => nameOf(each) !== own)
    .flatMap(other =>
      injectorsOf(other)
        .filter(webhook => called.some(question => calls(webhook, question)))
        .map(webhook => `${nameOf(other)}/${stringAt(webhook, "name")}`),
    )
    .sort();
}

interface Question {
  readonly namespace: Labels;
  readonly pod: Labels;
}

function questionsAbout(revisions: readonly string[]): Question[] {
  const named: Labels[] = [...new Set(["default", ...revisions])].map(revision => ({
    [REVISION_LABEL]: revision,
  }));
  const namespaces: Labels[] = [
    {},
    ...named,
    ...["enabled", "disabled"].map(value => ({ [NAMESPACE_LABEL]: value })),
  ];
  const pods: Labels[] = [
    {},
    ...named,
    ...["true", "false"].map(value => ({ [INJECT_LABEL]: value })),
  ];
  return namespaces.flatMap(namespace => pods.map(pod => ({ namespace, pod })));
}

function calls(webhook: JsonObject, { namespace, pod }: Question): boolean {
  const selector = (field: string) => selectorFromJson(objectAt(webhook, field));
  return (
    selects(selector("namespaceSelector"), namespace) && selects(selector("objectSelector"), pod)
  );
}

/** What the selectors ask of `istio.io/rev`. */
function revisionsNamed(configuration: JsonObject): string[] {
  return injectorsOf(configuration).flatMap(webhook =>
    ["namespaceSelector", "objectSelector"].flatMap(field =>
      selectorFromJson(objectAt(webhook, field)).matchExpressions.flatMap(({ key, values }) =>
        key === REVISION_LABEL ? values : [],
      ),
    ),
  );
}

function injectorsOf(configuration: JsonObject): JsonObject[] {
  return arrayAt(configuration, "webhooks")
    .filter(isObject)
    .filter(webhook => stringAt(webhook, "name").endsWith("sidecar-injector.istio.io"));
}

function nameOf(object: JsonObject): string {
  return stringAt(objectAt(object, "metadata"), "name");
}
