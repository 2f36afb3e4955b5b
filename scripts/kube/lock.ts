import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "./progress.ts";

const POLL_MS = 200;

/**
 * Runs `work` while no other process of this machine does so under the same name. The lock is an
 * abstract Unix socket: the kernel lets go of it when its holder ends, however that happens.
 */
export async function withLock<T>(
  name: string,
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  let held = await take(name);
  if (held === undefined) progress(`waiting for another process of this machine (${name})`);
  while (held === undefined) {
    await sleep(POLL_MS);
    held = await take(name);
  }
  try {
    return await work();
  } finally {
    held.close();
  }
}

function take(name: string): Promise<Server | undefined> {
  return new Promise((done, fail) => {
    const server = createServer(socket => socket.destroy());
    server.once("error", error => {
      if ("code" in error && error.code === "EADDRINUSE") done(undefined);
      else fail(error);
    });
    server.listen(`\0lateen-kube/${name}`, () => done(server));
  });
}
