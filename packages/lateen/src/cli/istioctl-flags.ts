/**
 * Flags that many commands of istioctl have: people's scripts give them. Where nothing here is like
 * them they are refused with the reason; where that does not matter to anybody they are accepted.
 * https://istio.io/latest/docs/reference/commands/istioctl/
 */
import type { Flag } from "./command.ts";

function silent(kind: Flag["kind"], names: string): Flag[] {
  const description = "Of istioctl's own log and client: accepted, and without effect";
  return names.split(" ").map(name => ({ name, kind, description, hidden: true }));
}

/** istioctl's log is of istioctl: commands here print what they have to say, and keep no log. */
export const LOG_FLAGS: readonly Flag[] = [
  ...silent("string", "vklog log_output_level log_stacktrace_level log_caller log_target"),
  ...silent("string", "log_rotate log_rotate_max_age log_rotate_max_backups log_rotate_max_size"),
  ...silent("string", "kubeclient-timeout"),
  ...silent("boolean", "log_as_json logtostderr"),
];

export const IMPERSONATION_FLAGS: readonly Flag[] = [
  { name: "as", kind: "string", description: "User to be towards the API server" },
  { name: "as-group", kind: "list", description: "Groups to be in towards the API server" },
  { name: "as-uid", kind: "string", description: "UID to have towards the API server" },
];

const NO_XDS =
  "control planes are asked at their debug interface, by way of the API server, and not over xDS: " +
  "--kubeconfig, --context and -i say which";

/** `none`: why a command has no use for them. */
export function xdsFlags(none: string = NO_XDS): readonly Flag[] {
  const refused = (kind: Flag["kind"], names: string): Flag[] =>
    names
      .split(" ")
      .map(name => ({ name, kind, description: "", hidden: true, refused: none }) as const);
  return [
    ...refused("string", "xds-address xds-port xds-label cert-dir authority timeout"),
    ...refused("boolean", "insecure plaintext xds-via-agents"),
    ...refused("string", "xds-via-agents-limit"),
  ];
}

/** A flag of istioctl that a command has nothing to do for. */
export function without(flag: Pick<Flag, "name" | "short" | "kind">, refused: string): Flag {
  return { ...flag, description: "", hidden: true, refused };
}

/** A flag of istioctl whose wish is met whatever it says. */
export function idle(flag: Pick<Flag, "name" | "short" | "kind">, why: string): Flag {
  return { ...flag, description: why, hidden: true };
}
