/** What a pod's annotations say about scraping its own metrics, in any spelling Prometheus takes. */
import type { Diagnostic } from "../base/diagnostic.ts";
import type { AppMetrics } from "./bootstrap-listeners.ts";
import { ProxyPort } from "./ports.ts";

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
  if (said.size === 0) return none;
  const number = portOf(port?.[1] || "80");
  if (number === undefined) return { ...none, diagnostics: [bad(port ?? ["", ""], "a port")] };
  if (isOwn(number, statusPort)) return { ...none, merges: false };
  const text = path?.[1] || "/metrics";
  if (/[\p{Cc}\s]/u.test(text))
    return { ...none, diagnostics: [bad(path ?? ["", ""], "a path without spaces")] };
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

function portOf(text: string): number | undefined {
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number >= 1 && number <= 65_535 ? number : undefined;
}

/** Merged with the proxy's own page, that page would be asked for again and again. */
function isOwn(port: number, statusPort: number): boolean {
  if (port === ProxyPort.agent || port === statusPort) return port === statusPort;
  return Object.values(ProxyPort).some(each => each === port);
}

function bad([name, value]: readonly [string, string], expected: string): Diagnostic {
  const found = JSON.stringify(value.slice(0, 40));
  const message = `found ${found}; expected ${expected}: the application's metrics are left out`;
  const path = `metadata.annotations[${name}]`;
  return { severity: "warning", path, message, reason: "BadAnnotation" };
}
