/** What a pod's annotations say about scraping its own metrics, in any spelling Prometheus takes. */
import type { Diagnostic } from "../base/diagnostic.ts";
import type { AppMetrics } from "./bootstrap-listeners.ts";

export interface AppScrape {
  /** Whether the page of the proxy takes the place of the pod's own. */
  readonly merges: boolean;
  /** undefined: the pod has none, or says nothing of it. */
  readonly app: AppMetrics | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

type Annotations = Readonly<Record<string, string>>;

/** As Go's strconv.ParseBool has it. */
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];
const OWN = ["prometheus_io_scrape", "prometheus_io_port", "prometheus_io_path"] as const;

/**
 * Istio merges unless the pod says that it is not to be scraped, or names the proxy's own port; the
 * application has metrics where any of the three annotations is there.
 * https://istio.io/latest/docs/ops/integrations/prometheus/#option-1-metrics-merging
 */
export function appScrape(annotations: Annotations, statusPort: number): AppScrape {
  const said = new Map<string, readonly [name: string, value: string]>();
  for (const [name, value] of Object.entries(annotations)) {
    const plain = plainName(name);
    if (plain !== undefined) said.set(plain, [name, value.trim()]);
  }
  const [scrape, port, path] = OWN.map(name => said.get(name));
  const none = { merges: true, app: undefined, diagnostics: [] };
  if (FALSE.includes(scrape?.[1] ?? "")) return { ...none, merges: false };
  if (port?.[1] === String(statusPort)) return { ...none, merges: false };
  if (said.size === 0) return none;
  const number = Number(port?.[1] || "80");
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    return { ...none, diagnostics: [badPort(port ?? ["", ""])] };
  const text = path?.[1] || "/metrics";
  const app = { port: number, path: text.startsWith("/") ? text : `/${text}` };
  return { ...none, app };
}

/** Without the annotations that `appScrape` reads, under whatever spelling. */
export function withoutScrape(annotations: Annotations): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([name]) => plainName(name) === undefined),
  );
}

/** What Prometheus makes of an annotation's name, where it is one of the three. */
function plainName(name: string): (typeof OWN)[number] | undefined {
  if (!name.startsWith("prometheus")) return undefined;
  const plain = name.replace(/[^a-zA-Z0-9_]/g, "_");
  return OWN.find(each => each === plain);
}

function badPort([name, value]: readonly [string, string]): Diagnostic {
  const found = JSON.stringify(value.slice(0, 40));
  const message = `found ${found}; expected a port: the application's metrics are left out`;
  const path = `metadata.annotations[${name}]`;
  return { severity: "warning", path, message, reason: "BadAnnotation" };
}
