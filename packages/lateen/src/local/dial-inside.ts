import { spawn } from "node:child_process";
import { request } from "node:http";
import { extname, join } from "node:path";
import { Duplex } from "node:stream";
import { inside } from "./sandbox.ts";

/** Beside this file, and compiled as it is. */
const HELPER = join(import.meta.dirname, `netns-helper${extname(import.meta.filename)}`);
/** Exit code of the helper. */
const NOT_CONNECTED = 2;
const MAX_ANSWER = 64 << 20;

/**
 * A TCP connection to `host:port` as seen from inside a pod, e.g. to what listens on its loopback.
 * `onRefused` is told where nothing takes it.
 */
export function dialInside(
  sandboxPid: number,
  host: string,
  port: number,
  onRefused: () => void = () => {},
): Duplex {
  const command = [process.execPath, HELPER, host, String(port)];
  const [file = "", ...args] = inside(sandboxPid, "network", command);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.on("exit", code => {
    if (code === NOT_CONNECTED) onRefused();
  });
  child.on("error", error => stream.destroy(error));
  stream.on("error", () => {});
  stream.on("close", () => child.kill("SIGKILL"));
  return stream;
}

export interface InsideResponse {
  readonly status: number;
  readonly body: string;
}

/** One HTTP request to what listens on a pod's loopback, such as Envoy's admin interface. */
export function requestInside(
  sandboxPid: number,
  port: number,
  options: { readonly method: string; readonly path: string; readonly timeoutMs: number },
): Promise<InsideResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        method: options.method,
        path: options.path,
        headers: { host: `localhost:${port}`, connection: "close", "content-length": "0" },
        signal: AbortSignal.timeout(options.timeoutMs),
        createConnection: () => dialInside(sandboxPid, "127.0.0.1", port),
      },
      response => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER) response.destroy(new Error("answer is too long"));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}
