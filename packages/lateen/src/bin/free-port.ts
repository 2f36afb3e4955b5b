import { createServer } from "node:net";

/** `wanted` if nobody listens there on loopback, else one that the kernel gives. */
export async function freePort(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise(done => {
    const server = createServer();
    server.once("error", () => done(undefined));
    server.listen({ host: "127.0.0.1", port }, () => {
      const address = server.address();
      const given = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => done(given));
    });
  });
}
