/** Objects that are stored, and would be refused by this version if they were new. */
import { isCustomResource } from "../api/crd.ts";
import type { JsonObject, Kind } from "../api/kind.ts";
import { allKinds } from "../api/registry.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { objectAt } from "../sources/json.ts";
import type { Finding } from "./precheck.ts";

const PAGE = 500;
/** Of one object; of all. */
const MAX_OF_ONE = 5;
const MAX_OBJECTS = 100;

export async function checkStored(client: ApiClient): Promise<Finding[]> {
  const found: Finding[] = [];
  const hidden = new Map<string, string>();
  let objects = 0;
  for (const kind of allKinds.filter(isCustomResource)) {
    const refused = await eachObject(client, kind, object => {
      const { namespace = "", name = "" } = objectAt(object, "metadata");
      const said = problemsOf(kind.decode(object).diagnostics);
      if (said.length > 0 && objects++ < MAX_OBJECTS)
        found.push(...said.map(text => warning(`${kind.kind} ${namespace}/${name}: ${text}`)));
    });
    if (refused !== undefined) hidden.set(kind.kind, refused);
  }
  if (objects > MAX_OBJECTS)
    found.push(warning(`and ${objects - MAX_OBJECTS} more objects that would be refused if new`));
  const [reason] = hidden.values();
  if (reason !== undefined)
    found.push(warning(`${[...hidden.keys()].join(", ")}: not looked at: ${reason}`));
  return found;
}

/** Why not all could be listed; a kind that the cluster does not have has none. */
async function eachObject(
  client: ApiClient,
  kind: Kind,
  look: (object: JsonObject) => void,
): Promise<string | undefined> {
  let next = "";
  do {
    const more = next === "" ? {} : { continue: next };
    const page = await client.list(kind, { limit: PAGE, ...more });
    if (!page.ok) return page.status.code === 404 ? undefined : page.status.message;
    for (const object of page.value.items) look(object);
    next = page.value.continue;
  } while (next !== "");
  return undefined;
}

/** Field, what was found, what would be right, and what becomes of the object. */
export function problemsOf(diagnostics: readonly Diagnostic[]): string[] {
  const texts = diagnostics.flatMap(({ severity, newOnly, path, message }) => {
    if (severity !== "error" && newOnly !== true) return [];
    const end =
      newOnly === true
        ? "it stays as it is, and is refused where it is new"
        : "this version does not read it";
    return [`${path === "" ? "" : `${path}: `}${message}; ${end}`];
  });
  const more = texts.length - MAX_OF_ONE;
  return more > 0 ? [...texts.slice(0, MAX_OF_ONE), `and ${more} more`] : texts;
}

function warning(message: string): Finding {
  return { severity: "warning", message };
}
