/** `proxy-config bootstrap -o short`: which versions run. */
import { renderTable } from "../tabwriter.ts";

interface Bootstrap {
  readonly bootstrap?: {
    readonly node?: {
      readonly metadata?: { readonly ISTIO_VERSION?: unknown };
      readonly user_agent_build_version?: {
        readonly version?: {
          readonly major_number?: number;
          readonly minor_number?: number;
          readonly patch?: number;
        };
        readonly metadata?: Readonly<Record<string, unknown>>;
      };
    };
  };
}

/** `dump`: Envoy's BootstrapConfigDump. Lines for what it says only. */
export function bootstrapSummary(dump: unknown): string {
  const node = (dump as Bootstrap).bootstrap?.node;
  const build = node?.user_agent_build_version;
  const { major_number: major = 0, minor_number: minor = 0, patch = 0 } = build?.version ?? {};
  const envoy = build?.version === undefined ? undefined : [`${major}.${minor}.${patch}`];
  const details = ["revision.sha", "revision.status", "ssl.version"].flatMap(
    key => build?.metadata?.[key] ?? [],
  );
  const rows = [
    ["Istio Version:", node?.metadata?.ISTIO_VERSION],
    ["Envoy Version:", envoy && [...envoy, ...details].join("/")],
  ];
  const known = rows.filter(([, value]) => value !== undefined && value !== "");
  return renderTable(
    known.map(row => row.map(String)),
    { padding: 1 },
  );
}
