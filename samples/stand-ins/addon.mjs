// In place of Prometheus, Grafana, Jaeger, Kiali, ... on test machines: the ports of the one that ADDON
// names, and an answer where probes and people look first. It knows nothing and keeps nothing.
import { serve } from "./listen.mjs";

const HTML = { type: "text/html; charset=utf-8" };
const nothing = { status: "success", data: { resultType: "vector", result: [] } };
const METRICS = { "/metrics": "# A stand-in counts nothing.\n" };
const ADDONS = {
  prometheus: {
    9090: {
      ...METRICS,
      "/-/healthy": "Prometheus Server is Healthy.\n",
      "/-/ready": "Prometheus Server is Ready.\n",
      "/-/reload": "",
      "/api/v1/query": nothing,
      "/api/v1/query_range": nothing,
    },
  },
  "prometheus-config-reloader": { 8080: { ...METRICS, "/healthz": "" } },
  grafana: { 3000: { ...METRICS, "/api/health": { database: "ok" }, "/": page("Grafana") } },
  jaeger: {
    ...Object.fromEntries([4317, 4318, 9411, 14250, 14268, 16685].map(port => [port, {}])),
    8888: METRICS,
    13133: { "/status": { status: "StatusOK" } },
    16686: { "/jaeger": page("Jaeger UI"), "/jaeger/api/services": { data: [], total: 0 } },
  },
  kiali: {
    9090: METRICS,
    20001: { "/kiali": page("Kiali"), "/kiali/healthz": "", "/kiali/api": { status: {} } },
  },
  zipkin: { 9411: { "/health": { status: "UP" }, "/zipkin": page("Zipkin") } },
};

const ports = ADDONS[process.env.ADDON ?? ""];
if (ports === undefined) {
  console.error(`ADDON: one of ${Object.keys(ADDONS).join(", ")}, found ${process.env.ADDON}`);
  process.exit(1);
}
for (const [port, paths] of Object.entries(ports))
  serve(Number(port), (_request, { pathname }) => {
    const found = paths[pathname.length > 1 ? pathname.replace(/\/$/, "") : pathname];
    if (found === undefined) return undefined;
    return found.type === undefined ? { body: found } : found;
  });

function page(name) {
  const body = `<!DOCTYPE html>\n<html><head><title>${name}</title></head><body>A stand-in.</body></html>\n`;
  return { ...HTML, body };
}
