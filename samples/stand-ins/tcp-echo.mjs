// In place of Istio's tcp-echo-server on test machines: PORTS WORD, e.g. 9000,9001 hello. Each line
// comes back with the word before it; whoever connects and says nothing hears nothing.
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const [ports = "9000", word = "hello"] = process.argv.slice(2);
const MAX_LINE = 64 * 1024;

for (const port of ports.split(",").map(Number)) {
  const server = createServer(socket => {
    // A line without an end would be kept for ever.
    let unended = 0;
    socket.on("data", chunk => {
      unended = chunk.includes(0x0a) ? 0 : unended + chunk.length;
      if (unended > MAX_LINE) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    createInterface({ input: socket }).on("line", line => socket.write(`${word} ${line}\n`));
  });
  server.listen(port, () => console.log(`listens on ${port}`));
}
process.on("SIGTERM", () => process.exit(0));
