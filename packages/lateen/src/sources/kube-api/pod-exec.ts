/**
 * `pods/NAME/exec` over WebSocket (kubectl exec, cp), subprotocol v5.channel.k8s.io: the first byte of
 * each message is its channel, and 255 closes the one that follows.
 */
import type { Duplex, Readable } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Json } from "../../api/kind.ts";
import type { HttpAnswer, HttpRequest, HttpUpgrade } from "../../net/http-server.ts";
import { isObject } from "../json.ts";
import { badRequest, failed } from "../status.ts";
import type { StoredObject } from "../store/stored.ts";
import { failedAnswer } from "./answer.ts";
import { flag, header } from "./api-request.ts";
import type { PodAccess, PodProcess, TerminalSize } from "./pod-access.ts";
import { containerOf } from "./pod-log.ts";

const PROTOCOL = "v5.channel.k8s.io";
const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** Clients cut what they send into pieces of 32 KiB. */
const MAX_MESSAGE = 1 << 20;
const MAX_SESSIONS = 64;
const MAX_ARGUMENTS = 1000;
const MAX_SIDE = 10_000;
/** Written and not taken by the client: the program waits. */
const MAX_BUFFERED = 1 << 20;
const PING_MS = 30_000;
const POLICY_VIOLATION = 1008;
const NORMAL = 1000;

export class ExecSessions {
  readonly #sockets = new Set<WebSocket>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    handleProtocols: protocols => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  });
  #starting = 0;

  /** Takes the connection, or says why not. */
  async open(
    access: PodAccess,
    pod: StoredObject,
    request: HttpRequest,
    upgrade: HttpUpgrade,
  ): Promise<HttpAnswer | undefined> {
    const asked = askedOf(pod, request);
    if ("status" in asked) return asked;
    if (this.#sockets.size + this.#starting >= MAX_SESSIONS)
      return failedAnswer(
        failed(429, "TooManyRequests", `${MAX_SESSIONS} commands are running in pods by this API`, {
          retryAfterSeconds: 5,
        }),
      );
    this.#starting++;
    try {
      const started = await access.exec(asked.into, asked.command);
      if (!started.ok) return failedAnswer(started);
      this.#accept(started.value, asked, upgrade);
      return undefined;
    } finally {
      this.#starting--;
    }
  }

  #accept(process: PodProcess, asked: Asked, { incoming, socket, head }: HttpUpgrade): void {
    const gone = (): void => process.kill();
    // While the command was started nobody listened.
    if (socket.destroyed) {
      gone();
      return;
    }
    socket.once("close", gone);
    this.#server.handleUpgrade(incoming, socket as Duplex, head, webSocket => {
      this.#sockets.add(webSocket);
      webSocket.once("close", () => this.#sockets.delete(webSocket));
      attach(webSocket, process, asked);
    });
  }
}

interface Asked {
  readonly into: {
    readonly namespace: string;
    readonly name: string;
    readonly container: string | undefined;
  };
  readonly command: { readonly argv: readonly string[]; readonly terminal: boolean };
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

function askedOf(pod: StoredObject, request: HttpRequest): Asked | HttpAnswer {
  const into = containerOf(pod, request.query.get("container"));
  if (!into.ok) return failedAnswer(into);
  if (header(request, "upgrade").toLowerCase() !== "websocket") {
    const why = `exec is served over WebSocket only, which kubectl has since 1.31`;
    return failedAnswer(badRequest(`${why}; use \`lateen exec\``));
  }
  const offered = header(request, "sec-websocket-protocol").split(",");
  if (!offered.some(each => each.trim() === PROTOCOL))
    return failedAnswer(badRequest(`the WebSocket subprotocol must be ${PROTOCOL}`));
  const argv = request.query.getAll("command");
  if (argv.length === 0 || argv.length > MAX_ARGUMENTS)
    return failedAnswer(badRequest("command: Required value: you must specify a command"));
  const terminal = flag(request, "tty");
  return {
    into: into.value,
    command: { argv, terminal },
    stdin: flag(request, "stdin"),
    stdout: flag(request, "stdout"),
    stderr: flag(request, "stderr") && !terminal,
  };
}

function attach(socket: WebSocket, process: PodProcess, asked: Asked): void {
  let alive = true;
  const ping = setInterval(() => {
    // Its answers are not read while the program does not read either.
    if (socket.isPaused) alive = true;
    if (!alive) socket.terminate();
    alive = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => {
    alive = true;
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearInterval(ping);
    process.kill();
  });
  process.stdin.on("error", () => {});
  process.stdin.on("drain", () => socket.resume());
  if (!asked.stdin) process.stdin.end();
  socket.on("message", data => take(socket, process, asked, bytesOf(data)));
  pipe(socket, process.stdout, asked.stdout ? Channel.stdout : undefined);
  pipe(socket, process.stderr, asked.stderr ? Channel.stderr : undefined);
  void process.exited.then(code => {
    socket.send(Buffer.concat([Buffer.of(Channel.error), Buffer.from(statusText(code))]), () =>
      socket.close(NORMAL),
    );
  });
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
}

function take(socket: WebSocket, process: PodProcess, asked: Asked, message: Buffer): void {
  const rest = message.subarray(1);
  switch (message[0]) {
    case Channel.stdin:
      if (!asked.stdin || process.stdin.writableEnded || process.stdin.destroyed) return;
      if (rest.length > 0 && !process.stdin.write(rest)) socket.pause();
      return;
    case Channel.close:
      if (rest[0] === Channel.stdin) process.stdin.end();
      return;
    case Channel.resize: {
      const size = sizeOf(rest.toString("utf8"));
      if (size !== undefined) process.resize(size);
      return;
    }
    default:
      socket.close(POLICY_VIOLATION, "there is no such channel to write to");
  }
}

function sizeOf(text: string): TerminalSize | undefined {
  try {
    const value: Json = JSON.parse(text);
    const [columns, rows] = isObject(value)
      ? [Number(value["Width"]), Number(value["Height"])]
      : [];
    return isSide(columns) && isSide(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}

function isSide(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0 && value <= MAX_SIDE;
}

function pipe(socket: WebSocket, from: Readable, channel: number | undefined): void {
  from.on("error", () => {});
  from.on("data", (chunk: Buffer) => {
    if (channel === undefined || socket.readyState !== socket.OPEN) return;
    socket.send(Buffer.concat([Buffer.of(channel), chunk]), () => {
      if (from.isPaused() && socket.bufferedAmount < MAX_BUFFERED) from.resume();
    });
    if (socket.bufferedAmount >= MAX_BUFFERED) from.pause();
  });
}

/** What kubectl takes its own exit code from. */
function statusText(code: number): string {
  if (code === 0) return JSON.stringify({ metadata: {}, status: "Success" });
  return JSON.stringify({
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  });
}
