import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../api/kind.ts";
import { podKind } from "../api/pod/kind.ts";
import { type CommandResult, containerCommand } from "./container-command.ts";
import { enterCommand } from "./container-process.ts";

function resolve(container: JsonObject, podSpec: JsonObject = {}): CommandResult {
  const decoded = podKind.decode({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web-1", namespace: "default", uid: "u1", labels: { app: "web" } },
    spec: {
      nodeName: "node-1",
      containers: [{ name: "app", image: "app:1", ...container }],
      ...podSpec,
    },
  });
  assert.ok(decoded.ok, JSON.stringify(decoded.diagnostics));
  const [spec] = decoded.value.spec.containers;
  assert.ok(spec !== undefined);
  return containerCommand(decoded.value, spec, {
    podIp: "10.244.0.7",
    hostIp: "10.244.0.1",
    baseEnv: { PATH: "/bin", LATEEN_ROOT: "/opt/lateen" },
    data: (kind, name) =>
      kind === "ConfigMap" && name === "settings" ? { COLOUR: "blue", SIZE: "3" } : undefined,
  });
}

test("an image of Istio's samples has a stand-in, with its arguments and variables", () => {
  const image = "registry.istio.io/release/tcp-echo-server:1.3";
  const result = resolve({ image, args: ["9000", "hello"] });
  assert.ok(result.ok);
  assert.deepEqual(result.command.argv, [
    "node",
    "/opt/lateen/samples/stand-ins/tcp-echo.mjs",
    "9000",
    "hello",
  ]);
  const hello = resolve({
    image: "registry.istio.io/release/examples-helloworld-v2:1.0",
    env: [{ name: "VERSION", value: "v9" }],
  });
  assert.ok(hello.ok);
  assert.equal(hello.command.env["VERSION"], "v9");
  const own = resolve({ image, command: ["mine"] });
  assert.ok(own.ok);
  assert.deepEqual([result.standIn, own.standIn], [true, false]);
  assert.deepEqual(own.command.argv, ["mine"]);
});

test("variables refer to earlier ones, command and args to all of them", () => {
  const result = resolve({
    command: ["node", "$(LATEEN_ROOT)/server.mjs"],
    args: ["--ip=$(IP)", "$(NOT_SET)", "$$(IP)"],
    env: [
      { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      { name: "URL", value: "http://$(IP):$(PORT)" },
      { name: "PORT", value: "80" },
      { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: "SA", valueFrom: { fieldRef: { fieldPath: "spec.serviceAccountName" } } },
      { name: "C", valueFrom: { configMapKeyRef: { name: "settings", key: "COLOUR" } } },
    ],
    envFrom: [{ prefix: "S_", configMapRef: { name: "settings" } }],
  });
  assert.ok(result.ok);
  const { argv, env, workingDir, user } = result.command;
  assert.deepEqual(argv, [
    "node",
    "/opt/lateen/server.mjs",
    "--ip=10.244.0.7",
    "$(NOT_SET)",
    "$(IP)",
  ]);
  assert.equal(env["URL"], "http://10.244.0.7:$(PORT)");
  assert.equal(env["APP"], "web");
  assert.equal(env["SA"], "default");
  assert.equal(env["C"], "blue");
  assert.equal(env["S_SIZE"], "3");
  assert.equal(env["HOSTNAME"], "web-1");
  assert.deepEqual([workingDir, user.uid], ["/", 0]);
});

test("a container begins in / or where it says", () => {
  const given = resolve({ command: ["a"], workingDir: "/srv" });
  assert.ok(given.ok);
  assert.equal(given.command.workingDir, "/srv");
});

const refused: readonly (readonly [string, JsonObject, RegExp])[] = [
  ["no program", {}, /names no program.*app:1/],
  [
    "a missing ConfigMap",
    { command: ["a"], envFrom: [{ configMapRef: { name: "none" } }] },
    /^configmap "none" not found$/,
  ],
  [
    "a missing key",
    {
      command: ["a"],
      env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "settings", key: "NO" } } }],
    },
    /^couldn't find key NO in ConfigMap default\/settings$/,
  ],
  [
    "an unknown field",
    { command: ["a"], env: [{ name: "X", valueFrom: { fieldRef: { fieldPath: "spec.x" } } }] },
    /fieldPath spec\.x is not supported/,
  ],
];
for (const [name, container, expected] of refused)
  test(`a container is not started: ${name}`, () => {
    const result = resolve(container);
    assert.ok(!result.ok);
    assert.equal(result.reason, "CreateContainerConfigError");
    assert.match(result.message, expected);
  });

test("what is optional may be missing", () => {
  const result = resolve({
    command: ["a"],
    envFrom: [{ secretRef: { name: "none", optional: true } }],
    env: [{ name: "X", valueFrom: { secretKeyRef: { name: "none", key: "k", optional: true } } }],
  });
  assert.ok(result.ok);
  assert.equal(result.command.env["X"], undefined);
});

test("the container's user wins over the pod's, and the network's rules are out of reach", () => {
  const securityContext = { runAsUser: 1000, runAsGroup: 2000 };
  const result = resolve(
    { command: ["a"], securityContext: { runAsUser: 7 } },
    { securityContext },
  );
  assert.ok(result.ok);
  const { argv, env } = enterCommand(42, result.command, "session");
  const command = argv.join(" ");
  assert.match(command, /^nsenter --target 42 --net --uts --ipc --mount --pid=/);
  assert.match(command, / setpriv --reuid 7 --regid 2000 .*--bounding-set -all,/);
  assert.doesNotMatch(command, /net_admin|mknod|no-new-privs/);
  assert.match(command, / env -C \/ PWD=\/ PATH=\/bin a$/);
  assert.match(env["PATH"] ?? "", /^\/usr\/local\/sbin:/, "what leads there is the system's");
});

test("a container's variables steer its own program, never the machine's that lead there as root", () => {
  const env = [
    { name: "LD_PRELOAD", value: "/tmp/mine.so" },
    { name: "BASH_ENV", value: "/tmp/mine.sh" },
    { name: "COLOUR", value: "blue" },
  ];
  const result = resolve({ command: ["a"], env });
  assert.ok(result.ok);
  const entering = enterCommand(42, result.command, "session");
  assert.equal(entering.env["LD_PRELOAD"], undefined);
  assert.equal(entering.env["BASH_ENV"], undefined);
  assert.equal(entering.env["COLOUR"], "blue");
  const words = entering.argv;
  const user = words.indexOf("setpriv");
  for (const word of ["LD_PRELOAD=/tmp/mine.so", "BASH_ENV=/tmp/mine.sh"])
    assert.ok(words.indexOf(word) > user && user > 0, word);
});

test("capabilities and privileges are what the container's security context leaves", () => {
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
  };
  const result = resolve({ command: ["a"], securityContext });
  assert.ok(result.ok);
  const command = enterCommand(42, result.command, "session").argv.join(" ");
  assert.match(command, /--bounding-set -all,\+net_bind_service --inh-caps -all --no-new-privs --/);
});

test("whoever must not be root is not, whether the pod says so or the container", () => {
  const runAsNonRoot = { runAsNonRoot: true };
  const where = '(pod: "web-1_default(u1)", container: app)';
  const asked = (container: JsonObject, pod: JsonObject): string => {
    const result = resolve(
      { command: ["a"], securityContext: container },
      { securityContext: pod },
    );
    return result.ok ? `uid ${result.command.user.uid}` : `${result.reason}: ${result.message}`;
  };
  const byImage = `CreateContainerConfigError: container has runAsNonRoot and image will run as root ${where}`;
  assert.equal(asked(runAsNonRoot, {}), byImage);
  assert.equal(asked({}, runAsNonRoot), byImage);
  assert.equal(
    asked({ runAsUser: 0 }, runAsNonRoot),
    `CreateContainerConfigError: container's runAsUser breaks non-root policy ${where}`,
  );
  assert.equal(asked({}, { ...runAsNonRoot, runAsUser: 7 }), "uid 7");
  assert.equal(asked({ runAsNonRoot: false }, runAsNonRoot), "uid 0");
});

test("a program whose name has an equals sign is no variable, and an empty working directory is /", () => {
  const result = resolve({ command: ["A=b", "-c"], workingDir: "" });
  assert.ok(result.ok);
  const marked = { ...result.command, argv: ["LATEEN_CONTAINER=u1/app", ...result.command.argv] };
  const command = enterCommand(42, marked, "session").argv.join(" ");
  assert.match(
    command,
    / env -C \/ PWD=\/ PATH=\/bin LATEEN_CONTAINER=u1\/app sh -c exec "\$@" sh A=b -c$/,
  );
});
