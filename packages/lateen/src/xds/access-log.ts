/** Text access logs. Metrics are access logs too: stats.ts. */
import type {
  AccessLog,
  AccessLogFilter,
} from "@lateen/envoy-api/envoy/config/accesslog/v3/accesslog.js";
import type { SubstitutionFormatString } from "@lateen/envoy-api/envoy/config/core/v3/substitution_format_string.js";
import { AccessLogType } from "@lateen/envoy-api/envoy/data/accesslog/v3/accesslog.js";
import { FileAccessLog } from "@lateen/envoy-api/envoy/extensions/access_loggers/file/v3/file.js";
import {
  StderrAccessLog,
  StdoutAccessLog,
} from "@lateen/envoy-api/envoy/extensions/access_loggers/stream/v3/stream.js";
import { DEFAULT_ACCESS_LOG_FORMAT } from "../api/mesh-config/access-log-format.ts";
import type { Mesh, MeshView } from "../model/types.ts";
import { extension } from "./message.ts";

type LogSettings = Pick<Mesh, "accessLogFile" | "accessLogFormat">;

/** One line for each request. */
export function requestLog(mesh: LogSettings): AccessLog[] {
  return textLog(mesh, undefined);
}

/**
 * One line for each connection, at its end. TCP proxies log a connection when it is established as
 * well, and some while it lives, for the metrics.
 */
export function connectionLog(mesh: LogSettings & Pick<MeshView, "metrics">): AccessLog[] {
  const live = mesh.metrics === "live" ? [AccessLogType.TcpPeriodic] : [];
  return textLog(mesh, {
    logTypeFilter: { types: [AccessLogType.TcpUpstreamConnected, ...live], exclude: true },
  });
}

/** Of a listener: connections that no filter chain took. */
export function listenerLog(mesh: LogSettings): AccessLog[] {
  return textLog(mesh, { responseFlagFilter: { flags: ["NR"] } });
}

function textLog(mesh: LogSettings, filter: AccessLogFilter | undefined): AccessLog[] {
  const path = mesh.accessLogFile;
  if (path === "") return [];
  const inlineString =
    mesh.accessLogFormat === "" ? DEFAULT_ACCESS_LOG_FORMAT : mesh.accessLogFormat;
  return [{ ...logger(path, { textFormatSource: { inlineString } }), filter }];
}

/**
 * Standard output goes by its own logger: opening `/dev/stdout` as a file fails for the proxy's
 * user where it is a file of root's.
 */
function logger(path: string, logFormat: SubstitutionFormatString): AccessLog {
  switch (path) {
    case "/dev/stdout":
      return extension("envoy.access_loggers.stdout", StdoutAccessLog, { logFormat });
    case "/dev/stderr":
      return extension("envoy.access_loggers.stderr", StderrAccessLog, { logFormat });
    default:
      return extension("envoy.access_loggers.file", FileAccessLog, { path, logFormat });
  }
}
