// The demo application: answers every request with one line that says which version, which client
// address, which server. `/livez` and `/readyz` are for probes; POST to either with `state=fail` (or
// `state=ok`) changes its answer. On SIGTERM it goes on for LINGER_MS, as callers may not know yet; then
// it takes no new connections, finishes what it has begun and ends. An answer that SIGTERM came before
// says so: header `x-sigterm` is `during` where the request was under way by then, else `before`.
//
// PORT (8080), HOST (0.0.0.0), VERSION (v1.0), DELAY_MS (0) and LINGER_MS (0) come from the environment;
// `--port`, `--host` and `--version` win over them. `?delay=MS` makes one answer slow.
import { createServer } from "node:http";
import { hostname, networkInterfaces } from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { port: { type: "string" }, host: { type: "string" }, version: { type: "string" } },
});
const port = Number(values.port ?? process.env.PORT ?? 8080);
const host = values.host ?? process.env.HOST ?? "0.0.0.0";
const version = values.version ?? process.env.VERSION ?? "v1.0";
const defaultDelayMs = Number(process.env.DELAY_MS ?? 0);
const lingerMs = Number(process.env.LINGER_MS ?? 0);
const MAX_DELAY_MS = 60_000;
const MAX_BODY = 1024;

const states = { "/livez": "OK", "/readyz": "OK" };
let ending = false;

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (ending) response.setHeader("connection", "close");
  if (url.pathname in states) probe(request, response, url.pathname);
  else greet(request, response, url);
});
server.keepAliveTimeout = 75_000;
server.listen(port, host, () => console.log(`demoapp ${version} listens on ${host}:${port}`));
server.on("error", error => {
  console.error(error.message);
  process.exit(1);
});

function greet(request, response, url) {
  const delayMs = Math.min(
    Number(url.searchParams.get("delay") ?? defaultDelayMs) || 0,
    MAX_DELAY_MS,
  );
  const client = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const line =
    `iKubernetes demoapp ${version} !! ClientIP: ${client}, ` +
    `ServerName: ${hostname()}, ServerIP: ${serverAddress()}!\n`;
  const began = ending ? "before" : "during";
  setTimeout(() => {
    if (ending) {
      response.setHeader("connection", "close");
      response.setHeader("x-sigterm", began);
    }
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end(line);
  }, delayMs);
}

function probe(request, response, path) {
  let body = "";
  request.on("data", chunk => {
    if (body.length < MAX_BODY) body += chunk;
  });
  request.on("end", () => {
    const state = new URLSearchParams(body).get("state");
    if (request.method === "POST" && state !== null) states[path] = state.toUpperCase();
    response.statusCode = states[path] === "OK" ? 200 : 506;
    response.end(`${states[path]}\n`);
  });
}

/** The first address that other machines can reach. */
function serverAddress() {
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address, family, internal } of addresses ?? [])
      if (family === "IPv4" && !internal) return address;
  return "127.0.0.1";
}

process.on("SIGTERM", () => {
  ending = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  }, lingerMs);
});
