/**
 * A program that runs inside a pod's network namespace: joins its standard input and output to a TCP
 * connection. Arguments: host, port. It ends with the connection; code 2: there was none.
 */
import { connect } from "node:net";

const [host = "127.0.0.1", port = "0"] = process.argv.slice(2);
const socket = connect({ host, port: Number(port), allowHalfOpen: true });
process.stdin.pipe(socket);
socket.pipe(process.stdout);
let connected = false;
socket.on("connect", () => {
  connected = true;
});
socket.on("error", () => process.exit(connected ? 1 : 2));
socket.on("close", () => process.exit(0));
