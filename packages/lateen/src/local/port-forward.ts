import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { dialInside } from "./dial-inside.ts";

export interface PortForward {
  /** On the host's loopback. */
  readonly localPort: number;
  close(): void;
}

/** Listens on 127.0.0.1 and passes connections on to a port on the pod's own loopback. */
export function forwardPort(
  sandboxPid: number,
  localPort: number,
  podPort: number,
): Promise<PortForward> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      const inside = dialInside(sandboxPid, "127.0.0.1", podPort);
      socket.pipe(inside).pipe(socket);
      socket.on("error", () => inside.destroy());
      inside.on("close", () => socket.destroy());
      socket.on("close", () => inside.destroy());
    });
    server.once("error", reject);
    server.listen(localPort, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ localPort: port, close: () => server.close() });
    });
  });
}
