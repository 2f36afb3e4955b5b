// Sends requests to the demo application and counts who answered.
//
//   node client.mjs [--count 100 | --seconds 10] [--concurrency 4] [--host NAME] [--json] URL
//
// `--seconds` goes on for so long (60 at most) instead of counting requests.
// `--host` is the Host header, for a gateway that is reached by address. Each request is made once:
// one that gets no answer counts as an error. Exit code 0 if every answer was 200.
import { Agent, request } from "node:http";
import { parseArgs } from "node:util";

const TIMEOUT_MS = 10_000;
const MAX_SECONDS = 60;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "100" },
    seconds: { type: "string" },
    concurrency: { type: "string", default: "4" },
    host: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [url] = positionals;
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
const count = seconds === undefined ? Number(values.count) : Number.POSITIVE_INFINITY;
const end = Date.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1000;
const concurrency = Number(values.concurrency);
const bounded = seconds === undefined || (seconds > 0 && seconds <= MAX_SECONDS);
if (url === undefined || !(count > 0) || !(concurrency > 0) || !bounded) {
  console.error(
    "usage: node client.mjs [--count 100 | --seconds 10] [--concurrency 4] [--host NAME] [--json] URL",
  );
  process.exit(2);
}

const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
const headers = values.host === undefined ? {} : { host: values.host };
const result = { requests: 0, statuses: {}, versions: {}, servers: {} };
await Promise.all(Array.from({ length: concurrency }, work));
agent.destroy();
print();
process.exitCode = result.statuses["200"] === result.requests ? 0 : 1;

async function work() {
  while (result.requests < count && Date.now() < end) {
    result.requests++;
    const { status, body } = await call().catch(error => ({ status: error.message, body: "" }));
    const [, version, server] = / demoapp (\S+) !! .*ServerName: ([^,]+),/.exec(body) ?? [];
    tally(result.statuses, status);
    if (version !== undefined) tally(result.versions, version);
    if (server !== undefined) tally(result.servers, server);
  }
}

function call() {
  return new Promise((done, fail) => {
    const outgoing = request(url, { agent, headers, timeout: TIMEOUT_MS }, answer => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", chunk => {
        body += chunk;
      });
      answer.on("end", () => done({ status: String(answer.statusCode), body }));
      answer.on("error", fail);
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", fail);
    outgoing.end();
  });
}

function tally(counts, key) {
  counts[key] = (counts[key] ?? 0) + 1;
}

function print() {
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  for (const [title, counts] of Object.entries(result)) {
    if (title === "requests") continue;
    console.log(`${title}:`);
    for (const [name, times] of Object.entries(counts).sort())
      console.log(`  ${String(times).padStart(6)}  ${name}`);
  }
}
