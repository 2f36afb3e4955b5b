// In place of go-httpbin on test machines: what its requests in tutorials get, in the same form.
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "./listen.mjs";

const MAX_BYTES = 100 * 1024;
const MAX_DELAY_S = 10;

serve(Number(process.env.PORT ?? 8080), async (request, url, body) => {
  const [, first = "", second = ""] = url.pathname.split("/");
  const said = () => saidOf(request, url);
  switch (first) {
    case "":
      return { type: "text/html", body: "<title>httpbin</title>\n" };
    case "get":
      return { body: said() };
    case "anything":
    case "delete":
    case "patch":
    case "post":
    case "put":
      return { body: { ...said(), data: body, form: formOf(request, body), json: jsonOf(body) } };
    case "headers":
      return { body: { headers: said().headers } };
    case "ip":
      return { body: { origin: said().origin } };
    case "user-agent":
      return { body: { "user-agent": request.headers["user-agent"] ?? "" } };
    case "uuid":
      return { body: { uuid: randomUUID() } };
    case "status":
      return statusOf(Number(second));
    case "delay":
      await sleep(Math.min(Number(second) || 0, MAX_DELAY_S) * 1000);
      return { body: said() };
    case "bytes":
      return {
        type: "application/octet-stream",
        body: randomBytes(Math.min(Number(second) || 0, MAX_BYTES)).toString("latin1"),
      };
    case "response-headers":
      return { headers: Object.fromEntries(url.searchParams), body: said().args };
    default:
      return undefined;
  }
});

function saidOf(request, url) {
  const headers = {};
  for (const [name, values] of Object.entries(request.headersDistinct))
    headers[name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())] = values;
  const args = {};
  for (const name of url.searchParams.keys()) args[name] = url.searchParams.getAll(name);
  const origin = (request.headers["x-forwarded-for"] ?? request.socket.remoteAddress ?? "")
    .split(",")[0]
    .replace(/^::ffff:/, "");
  const scheme = request.headers["x-forwarded-proto"] ?? "http";
  const target = `${scheme}://${request.headers.host ?? ""}${request.url}`;
  return { args, headers, method: request.method, origin, url: target };
}

function statusOf(status) {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return { status: 400, body: { status_code: 400, error: "Bad Request" } };
  const body = status === 418 ? "I'm a teapot!\n" : "";
  const headers = status >= 300 && status < 400 ? { location: "/redirect/1" } : {};
  return { status, headers, body };
}

function formOf(request, body) {
  if (!request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) return {};
  const form = new URLSearchParams(body);
  return Object.fromEntries([...form.keys()].map(name => [name, form.getAll(name)]));
}

function jsonOf(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
