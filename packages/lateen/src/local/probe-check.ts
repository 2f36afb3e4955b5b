import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { Probe } from "../api/pod/container.ts";

/** Asks once. Resolves to undefined when the answer is good, else to what was wrong; never rejects. */
export type ProbeCheck = () => Promise<string | undefined>;

export interface ProbeTarget {
  readonly podIp: string;
  /** A number, or the name of a container port. */
  port(port: number | string): number | undefined;
  /** Exit code of a command in the container. */
  exec(command: readonly string[], timeoutMs: number): Promise<number>;
}

type CheckOf = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc" | "timeoutSeconds">;

/** undefined: the probe names no check. */
export function probeCheck(probe: CheckOf, target: ProbeTarget): ProbeCheck | undefined {
  const check = checkOf(probe, target);
  if (check === undefined) return undefined;
  // What a user wrote may be nothing that can be asked, such as a header with a line's end.
  return () =>
    check().catch(
      (error: unknown) => `probe failed: ${error instanceof Error ? error.message : error}`,
    );
}

function checkOf(probe: CheckOf, target: ProbeTarget): ProbeCheck | undefined {
  const timeoutMs = probe.timeoutSeconds * 1000;
  if (probe.httpGet !== undefined) {
    const { httpGet } = probe;
    return async () => await checkHttp(httpGet, target, timeoutMs);
  }
  if (probe.tcpSocket !== undefined) {
    const { host, port } = probe.tcpSocket;
    return async () => await checkTcp(host ?? target.podIp, target.port(port), timeoutMs);
  }
  if (probe.grpc !== undefined) {
    const { port, service } = probe.grpc;
    return async () => await checkGrpc(target.podIp, port, service, timeoutMs);
  }
  const command = probe.exec?.command;
  if (command === undefined) return undefined;
  return async () => {
    const code = await target.exec(command, timeoutMs);
    return code === 0 ? undefined : `command ${command[0] ?? ""} ended with exit code ${code}`;
  };
}

function checkHttp(
  get: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const port = target.port(get.port);
  if (port === undefined) return Promise.resolve(`no container port is named ${get.port}`);
  const options = {
    host: get.host ?? target.podIp,
    port,
    path: escapedPath(get.path),
    headers: {
      "user-agent": "kube-probe/lateen",
      ...Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value])),
    },
    agent: false,
    timeout: timeoutMs,
    signal: AbortSignal.timeout(timeoutMs),
    // Like the kubelet: whether it answers is asked, not who it is.
    rejectUnauthorized: false,
  };
  return new Promise(resolve => {
    const request = (get.scheme === "HTTPS" ? httpsRequest : httpRequest)(options, response => {
      response.resume();
      const status = response.statusCode ?? 0;
      const good = status >= 200 && status < 400;
      resolve(good ? undefined : `HTTP probe failed with statuscode: ${status}`);
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    const url = `${get.scheme.toLowerCase()}://${options.host}:${port}${options.path}`;
    request.on("error", error =>
      resolve(`Get ${JSON.stringify(url)}: ${dialProblem(error, options.host, port)}`),
    );
    request.end();
  });
}

const DIAL_PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
};

/** In the kubelet's words, which people look for. */
function dialProblem(error: NodeJS.ErrnoException, host: string, port: number): string {
  const known = DIAL_PROBLEMS[error.code ?? ""];
  if (known !== undefined) return `dial tcp ${host}:${port}: connect: ${known}`;
  const late = error.name === "TimeoutError" || error.name === "AbortError";
  if (!late && error.message !== "timeout") return error.message;
  return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
}

/** As the kubelet does: what no URL may hold is sent escaped. */
function escapedPath(path: string): string {
  const url = URL.parse(`http://pod${path.startsWith("/") ? "" : "/"}${path}`);
  return url === null ? path : `${url.pathname}${url.search}`;
}

function checkTcp(
  host: string,
  port: number | undefined,
  timeoutMs: number,
): Promise<string | undefined> {
  if (port === undefined) return Promise.resolve("the probe's port has no number");
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const done = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => done(undefined));
    socket.on("timeout", () => done(`dial tcp ${host}:${port}: i/o timeout`));
    socket.on("error", error => done(dialProblem(error, host, port)));
  });
}

/** grpc.health.v1.Health/Check; field 1 of the answer is the status, 1 is SERVING. */
function checkGrpc(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const name = Buffer.from(service, "utf8").subarray(0, 127);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([10, name.length]), name]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  return new Promise(resolve => {
    const session = connectHttp2(`http://${host}:${port}`);
    const done = (answer: string | undefined): void => {
      session.destroy();
      resolve(answer);
    };
    session.setTimeout(timeoutMs, () => done("gRPC probe failed: timeout"));
    session.on("error", error => done(`gRPC probe failed: ${error.message}`));
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    stream.on("error", error => done(`gRPC probe failed: ${error.message}`));
    stream.on("data", (chunk: Buffer) => {
      if (chunks.length < 16) chunks.push(chunk);
    });
    stream.on("end", () => {
      const answer = Buffer.concat(chunks);
      const serving = answer.length === 7 && answer[5] === 8 && answer[6] === 1;
      done(serving ? undefined : "gRPC probe failed: not SERVING");
    });
    stream.end(frame);
  });
}
