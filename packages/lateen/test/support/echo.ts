/** A server that says over TCP what it hears, and who calls it. */

export const ECHO_PROGRAM = "require('net').createServer(s => s.pipe(s)).listen(9000)";

/** Deployment and Service `echo`, port 9000, for a local mesh. */
export const ECHO = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo, version: v2}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: echo, image: echo, command: [node, -e, "${ECHO_PROGRAM}"]}]
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{name: tcp-echo, port: 9000}]
`;

/** For `node -e`: prints `hello`, which came back. */
export const CALL_ECHO: string =
  "const s = require('net').connect(9000, 'echo', () => s.write('hello'));" +
  "s.on('data', data => { console.log(String(data)); s.end(); });" +
  "s.setTimeout(5000, () => s.destroy(new Error('timeout')))";
