import { type AddressInfo, createServer, type Socket } from "node:net";
import { dialInside } from "./dial-inside.ts";

export interface PortForward {
  readonly localPort: number;
  /** Ends the connections, too. */
  close(): void;
}

export interface ForwardOptions {
  /** An address of this machine. */
  readonly address: string;
  /** 0: any free one. */
  readonly localPort: number;
  readonly podPort: number;
  /** The process that holds the pod's namespaces, asked for each connection; undefined: it is gone. */
  readonly sandboxPid: () => number | undefined;
  readonly onConnection: () => void;
  /** Nothing listens on that port in the pod. */
  readonly onRefused: () => void;
  /** A connection came after the pod had gone. */
  readonly onLost: () => void;
}

/**
 * Listens on this machine and passes connections on to a port on the pod's own loopback. Rejects
 * with the system's error where it can not listen.
 */
export function forwardPort(options: ForwardOptions): Promise<PortForward> {
  const open = new Set<Socket>();
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, socket => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
      passOn(socket, options);
    });
    server.once("error", reject);
    server.listen(options.localPort, options.address, () => {
      const { port } = server.address() as AddressInfo;
      const close = (): void => {
        server.close();
        for (const socket of open) socket.destroy();
      };
      resolve({ localPort: port, close });
    });
  });
}

function passOn(socket: Socket, options: ForwardOptions): void {
  const pid = options.sandboxPid();
  if (pid === undefined) {
    socket.destroy();
    options.onLost();
    return;
  }
  options.onConnection();
  const inside = dialInside(pid, "127.0.0.1", options.podPort, options.onRefused);
  socket.pipe(inside).pipe(socket);
  socket.on("error", () => inside.destroy());
  inside.on("close", () => socket.destroySoon());
  socket.on("close", () => inside.destroy());
}
