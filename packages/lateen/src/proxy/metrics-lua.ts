/**
 * The script behind 15090 and 15020: Envoy's statistics become the page that Istio's dashboards ask for.
 * It leaves alone what it does not know, so that a control plane of any age can be asked.
 */
import { COMPACT_FORMS, CONNECTION_TAG, LIVE_BYTES } from "../base/compact-metrics.ts";
import { ProxyEnvironment } from "../base/proxy-environment.ts";
import { SCRAPE_FAILURES } from "./bootstrap-stats.ts";

/** Labels that name a side, as Istio puts them in order, and where the proxy's own come from. */
const SIDE_LABELS = [
  ["workload", ProxyEnvironment.workload],
  ["workload_namespace", ProxyEnvironment.namespace],
  ["principal", undefined],
  ["app", ProxyEnvironment.app],
  ["version", ProxyEnvironment.version],
  ["canonical_service", ProxyEnvironment.canonicalService],
  ["canonical_revision", ProxyEnvironment.canonicalRevision],
  ["cluster", ProxyEnvironment.cluster],
] as const;

const SERVICE_LABELS = {
  host: "destination_service",
  name: "destination_service_name",
  namespace: "destination_service_namespace",
} as const;

function quoted(texts: readonly string[]): string {
  return `{${texts.map(text => JSON.stringify(text)).join(",")}}`;
}

function table(entries: Readonly<Record<string, string>>): string {
  return `{${Object.entries(entries)
    .map(([key, value]) => `${key}=${value}`)
    .join(",")}}`;
}

function formsTable(): string {
  const forms = Object.entries(COMPACT_FORMS).map(([name, form]) => [
    name,
    table({
      reporter: JSON.stringify(form.reporter),
      protocol: JSON.stringify(form.protocol),
      policy: JSON.stringify(policyOf(form)),
      fields: quoted(form.fields),
    }),
  ]);
  return table(Object.fromEntries(forms));
}

function policyOf({ reporter, mutualTls }: (typeof COMPACT_FORMS)[keyof typeof COMPACT_FORMS]) {
  if (reporter === "source") return "unknown";
  return mutualTls ? "mutual_tls" : "none";
}

const OWN_LABELS = Object.fromEntries(
  SIDE_LABELS.flatMap(([label, variable]) =>
    variable === undefined ? [] : [[label, `own("${variable}")`]],
  ),
);

/** Values stand escaped in the page, and stay so; the proxy's own become so here. */
const LABELS_LUA = `
local function own(variable)
  local value = os.getenv(variable)
  if value == nil or value == "" then return "unknown" end
  return (string.gsub(string.gsub(value, '[\\\\"]', "\\\\%0"), "\\n", "\\\\n"))
end
local OWN = ${table(OWN_LABELS)}
local SIDE = ${quoted(SIDE_LABELS.map(([label]) => label))}
local FORMS = ${formsTable()}
local function fields(form, value)
  local found, from = {}, 1
  for i, name in ipairs(form.fields) do
    local bar = i < #form.fields and string.find(value, "|", from, true) or #value + 1
    local text = string.sub(value, from, bar - 1)
    if text ~= "" and text ~= "-" then found[name] = text end
    from = bar + 1
  end
  return found
end
local function endpoint(found)
  local w, n, c, r, k = string.match(found.endpoint or "", "^([^;]*);([^;]*);([^;]*);([^;]*);(.*)$")
  local sent = {workload=w, workload_namespace=n, app=c, version=r, canonical_service=c, canonical_revision=r, cluster=k}
  for label, text in pairs(sent) do
    if text ~= "" then found["destination_" .. label] = text end
  end
end
local function service(found)
  local list = found.services
  found.destination_service_name = found.cluster_name
  if list == nil then return end
  if string.sub(list, 1, 2) ~= "[{" then
    found.destination_service = list
    return
  end
  local first = string.match(list, "^%[{(.-)}")
  for key, label in pairs(${table(mapped(SERVICE_LABELS))}) do
    found[label] = string.match(first or "", '\\\\"' .. key .. '\\\\":%s*\\\\"(.-)\\\\"')
  end
end
local function labels(form, value)
  local found = fields(form, value)
  endpoint(found)
  service(found)
  for label, text in pairs(OWN) do found[form.reporter .. "_" .. label] = text end
  local out = {'reporter="' .. form.reporter .. '"'}
  local function put(label, missing)
    out[#out + 1] = label .. '="' .. (found[label] or missing) .. '"'
  end
  for _, side in ipairs({"source_", "destination_"}) do
    for _, label in ipairs(SIDE) do put(side .. label, "unknown") end
  end
  for _, label in ipairs(${quoted(Object.values(SERVICE_LABELS))}) do put(label, "unknown") end
  put("response_flags", "-")
  put("connection_security_policy", form.policy)
  put("request_protocol", form.protocol)
  if form.protocol == "http" then
    put("response_code", "0")
    put("grpc_response_status", "")
  end
  return table.concat(out, ",")
end
`;

function mapped(names: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(names).map(([key, name]) => [key, `"${name}"`]));
}

/**
 * Line by line: a line break in a value is escaped. A value ends at the last quote that the line's form
 * leaves it, as quotes in values are escaped and no value follows one.
 */
const EXPAND_LUA = `
local function expand(text)
  local live = {}
  for gauge, name in pairs(${table(mapped(LIVE_BYTES))}) do
    live[name] = {}
    if string.find(text, gauge, 1, true) then
      text = string.gsub(text, "\\n# TYPE " .. gauge .. " [^\\n]*", "")
      text = string.gsub(text, "\\nenvoy_" .. gauge .. "({[^\\n]*)", function(rest)
        local key, bytes = string.match(rest, '^{(.*"),${CONNECTION_TAG}="%d+"} (%d+)$')
        if key ~= nil then live[name][key] = (live[name][key] or 0) + tonumber(bytes) end
        return ""
      end)
    end
  end
  local written = {}
  return (string.gsub(text, "\\nenvoy_(istio_[%w_]+){(%l+_%l+)=\\"([^\\n]*)", function(name, tag, rest)
    local form = FORMS[tag]
    if form == nil then return nil end
    local value, bound, count = string.match(rest, '^(.*)"(,le="[^"]*")} (%S+)$')
    if value == nil then value, count = string.match(rest, '^(.*)"} (%S+)$') end
    if value == nil then return nil end
    local key = tag .. '="' .. value .. '"'
    written[key] = written[key] or labels(form, value)
    local more = live[name] and live[name][key] or 0
    if more > 0 then count = string.format("%.0f", tonumber(count) + more) end
    return "\\n" .. name .. "{" .. written[key] .. (bound or "") .. "} " .. count
  end))
end
`;

/**
 * Envoy writes `envoy_` before names it does not know; dashboards ask for `istio_...`. Only starts
 * of lines are touched: label values hold no raw line breaks.
 */
const PAGE_LUA = `
local function rename(text)
  text = expand((string.gsub(text, "\\n# TYPE envoy_istio_", "\\n# TYPE istio_")))
  if string.find(text, "\\nenvoy_istio_", 1, true) then
    text = string.gsub(text, "\\nenvoy_istio_", "\\nistio_")
  end
  if string.find(text, "${SCRAPE_FAILURES}", 1, true) then
    text = string.gsub(text, "\\n# TYPE envoy_[%w_]*${SCRAPE_FAILURES}", "\\n# TYPE ${SCRAPE_FAILURES}")
    text = string.gsub(text, "(\\n)envoy_[%w_]*(${SCRAPE_FAILURES}){[^}\\n]*}", [[%1%2{type="application"}]])
  end
  return text
end
function envoy_on_response(handle)
  local body = handle:body()
  if body == nil then return end
  local text = string.sub(rename("\\n" .. body:getBytes(0, body:length())), 2)
  local app = handle:streamInfo():dynamicMetadata():get("lateen.metrics")
  if app ~= nil and app["page"] ~= nil then text = text .. app["page"] end
  handle:headers():replace("content-length", tostring(body:setBytes(text)))
end
`;

/** For Envoy's Lua filter, in front of the admin interface's Prometheus page. */
export const METRICS_PAGE_LUA = LABELS_LUA + EXPAND_LUA + PAGE_LUA;
