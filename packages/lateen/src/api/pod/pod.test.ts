import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, objectOf, plain, problems } from "../../../test/support/api.ts";
import { podKind as kind } from "./kind.ts";

const status = `
  spec: {containers: [{name: a, command: [sleep], args: [infinity], env: [{name: A, value: b}]}], nodeName: n}
  status:
    phase: Running
    podIP: 10.0.0.1
    podIPs: [{ip: 10.0.0.1}]
    conditions: [{type: Ready, status: "True"}]
    containerStatuses: [{name: a, ready: true, restartCount: 1}]`;

test("a pod with status", () => {
  assert.deepEqual(problems(kind, status, { whole: true }), []);
  const pod = decoded(kind, status, { whole: true });
  assert.equal(pod.status.podIP, "10.0.0.1");
  assert.deepEqual(plain(pod.spec.containers[0]?.command), ["sleep"]);
  assert.equal(pod.spec.terminationGracePeriodSeconds, 30);
  assert.equal(decoded(kind, "{containers: [{name: a}]}").status.phase, "");
});

test("the API server's defaults of probes and ports", () => {
  const yaml = `
    containers:
    - name: a
      ports: [{containerPort: 80}]
      readinessProbe: {httpGet: {port: 80}}`;
  const stored = kind.applyDefaults(objectOf(kind, yaml));
  assert.deepEqual(stored["spec"], {
    containers: [
      {
        name: "a",
        ports: [{ containerPort: 80, protocol: "TCP" }],
        readinessProbe: {
          httpGet: { port: 80, path: "/", scheme: "HTTP" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        resources: {},
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
      },
    ],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    securityContext: {},
    enableServiceLinks: true,
  });
});

test("rules", () => {
  const cases: [string, string[]][] = [
    ["{}", ["error spec.containers: is required; want a list"]],
    ["{containers: []}", ["error spec.containers: found none, want at least one container"]],
    ["{containers: [{image: a}]}", ["error spec.containers[0].name: is required; want a string"]],
    [
      "{containers: [{name: a}, {name: a}]}",
      ['error spec.containers[1].name: found "a" a second time'],
    ],
    [
      "{containers: [{name: a}], initContainers: [{name: a}]}",
      ['error spec.initContainers: "a" is a container, too'],
    ],
    [
      "{containers: [{name: a, volumeMounts: [{name: v, mountPath: /v}]}]}",
      [
        'error spec.containers[0].volumeMounts[0].name: found "v", want the name of one of the pod\'s volumes',
      ],
    ],
    [
      "{containers: [{name: a, livenessProbe: {periodSeconds: 5}}]}",
      ["error spec.containers[0].livenessProbe: want one of exec, httpGet, tcpSocket or grpc"],
    ],
    [
      "{containers: [{name: a, livenessProbe: {httpGet: {port: 80}, exec: {command: [a]}}}]}",
      [
        "error spec.containers[0].livenessProbe: found exec and httpGet; at most one of them may be set",
      ],
    ],
    [
      "{containers: [{name: a, comand: [x]}]}",
      ['warning spec.containers[0].comand: unknown field "comand"; did you mean command?'],
    ],
    [
      "{containers: [{name: a, env: [{name: 'A=B'}]}]}",
      [
        "error spec.containers[0].env[0].name: found \"A=B\", want printable ASCII characters without '='",
      ],
    ],
    [
      "{containers: [{name: a, ports: [{containerPort: 80, name: http}, {containerPort: 81, name: http}]}]}",
      ['error spec.containers[0].ports[1].name: found "http" a second time'],
    ],
    ["{containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}}]}", []],
  ];
  for (const [yaml, expected] of cases) assert.deepEqual(problems(kind, yaml), expected, yaml);
});
