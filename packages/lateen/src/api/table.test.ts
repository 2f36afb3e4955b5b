import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { kindOf } from "./registry.ts";
import { type Cell, tableCells, tableColumns } from "./table.ts";

const NOW = Date.parse("2026-01-01T01:00:00Z");

function row(group: string, kindName: string, yaml: string): { wide: string[]; cells: Cell[] } {
  const kind = kindOf(group, kindName);
  assert.ok(kind !== undefined);
  const columns = tableColumns(kind);
  const metadata = { name: "x", creationTimestamp: "2026-01-01T00:00:00Z" };
  const cells = tableCells(kind, { metadata, ...parse(yaml) }, NOW);
  return { wide: columns.filter(c => c.priority > 0).map(c => c.name), cells: [...cells] };
}

function headers(group: string, kindName: string): string {
  const kind = kindOf(group, kindName);
  assert.ok(kind !== undefined);
  const shown = tableColumns(kind).filter(column => column.priority === 0);
  return shown.map(column => column.name.toUpperCase()).join(" ");
}

test("the headers that kubectl shows", () => {
  const istio = "networking.istio.io";
  assert.equal(headers(istio, "Gateway"), "NAME AGE");
  assert.equal(headers(istio, "VirtualService"), "NAME GATEWAYS HOSTS AGE");
  assert.equal(headers(istio, "DestinationRule"), "NAME HOST AGE");
  assert.equal(headers(istio, "ServiceEntry"), "NAME HOSTS LOCATION RESOLUTION AGE");
  assert.equal(headers(istio, "WorkloadEntry"), "NAME AGE ADDRESS");
  assert.equal(headers(istio, "Sidecar"), "NAME AGE");
  assert.equal(headers("", "Pod"), "NAME READY STATUS RESTARTS AGE");
  assert.equal(headers("", "Service"), "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE");
  assert.equal(headers("", "Namespace"), "NAME STATUS AGE");
  assert.equal(headers("", "Node"), "NAME STATUS ROLES AGE VERSION");
  assert.equal(headers("", "ConfigMap"), "NAME DATA AGE");
  assert.equal(headers("", "Secret"), "NAME TYPE DATA AGE");
  assert.equal(headers("", "ServiceAccount"), "NAME SECRETS AGE");
  assert.equal(headers("", "Event"), "LAST SEEN TYPE REASON OBJECT MESSAGE");
  assert.equal(headers("apps", "Deployment"), "NAME READY UP-TO-DATE AVAILABLE AGE");
  assert.equal(
    headers("discovery.k8s.io", "EndpointSlice"),
    "NAME ADDRESSTYPE PORTS ENDPOINTS AGE",
  );
});

test("lists of a custom resource are JSON, what is absent is nothing", () => {
  const yaml =
    "spec: {gateways: [istio-system/demoapp-gateway], hosts: [demoapp.example.com, '*']}";
  assert.deepEqual(row("networking.istio.io", "VirtualService", yaml).cells, [
    "x",
    '["istio-system/demoapp-gateway"]',
    '["demoapp.example.com","*"]',
    "60m",
  ]);
  assert.deepEqual(row("networking.istio.io", "VirtualService", "spec: {}").cells, [
    "x",
    null,
    null,
    "60m",
  ]);
  assert.deepEqual(row("networking.istio.io", "DestinationRule", "spec: {host: a}").cells, [
    "x",
    "a",
    "60m",
  ]);
  assert.deepEqual(row("networking.istio.io", "Gateway", "spec: {}").cells, ["x", "60m"]);
});

test("Services", () => {
  const yaml = `
    spec:
      type: NodePort
      clusterIP: 10.96.0.7
      ports: [{port: 80, protocol: TCP, nodePort: 30080}, {port: 53, protocol: UDP}]
      selector: {version: v1, app: demoapp}`;
  assert.deepEqual(row("", "Service", yaml).cells, [
    "x",
    "NodePort",
    "10.96.0.7",
    "<none>",
    "80:30080/TCP,53/UDP",
    "60m",
    "app=demoapp,version=v1",
  ]);
  const balanced =
    "{spec: {type: LoadBalancer, clusterIP: 10.96.0.8}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}";
  assert.equal(row("", "Service", balanced).cells[3], "192.0.2.1");
  assert.equal(row("", "Service", "spec: {type: LoadBalancer}").cells[3], "<pending>");
  assert.equal(row("", "Service", "spec: {type: ExternalName, externalName: a.b}").cells[3], "a.b");
  assert.deepEqual(row("", "Service", "spec: {type: ClusterIP}").wide, ["Selector"]);
});

test("Pods", () => {
  const cases: [string, string, string, string][] = [
    ["status: {phase: Pending}", "0/2", "Pending", "0"],
    [
      "status: {phase: Running, containerStatuses: [{name: a, ready: true, restartCount: 1, state: {running: {}}}, {name: b, ready: true, restartCount: 2, state: {running: {}}, lastState: {terminated: {finishedAt: '2026-01-01T00:59:00Z'}}}]}",
      "2/2",
      "Running",
      "3 (60s ago)",
    ],
    [
      "status: {phase: Running, containerStatuses: [{name: a, ready: false, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}}]}",
      "0/2",
      "CrashLoopBackOff",
      "4",
    ],
    [
      "status: {phase: Failed, containerStatuses: [{name: a, state: {terminated: {exitCode: 3}}}]}",
      "0/2",
      "ExitCode:3",
      "0",
    ],
    ["status: {phase: Failed, reason: Evicted}", "0/2", "Evicted", "0"],
    [
      "status: {phase: Pending, containerStatuses: [{name: a, restartCount: 9}], initContainerStatuses: [{name: i, restartCount: 1, state: {terminated: {exitCode: 0}}}, {name: j, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {finishedAt: '2026-01-01T00:59:00Z'}}}, {name: k, restartCount: 7}]}",
      "0/2",
      "Init:CrashLoopBackOff",
      "4 (60s ago)",
    ],
    [
      "status: {phase: Running, containerStatuses: [{name: a, ready: true, restartCount: 1, state: {running: {}}}], initContainerStatuses: [{name: i, restartCount: 3, state: {terminated: {exitCode: 0}}}]}",
      "1/2",
      "Running",
      "1",
    ],
    [
      "status: {phase: Pending, initContainerStatuses: [{name: i, state: {waiting: {reason: ImagePullBackOff}}}]}",
      "0/2",
      "Init:ImagePullBackOff",
      "0",
    ],
    [
      "status: {phase: Pending, initContainerStatuses: [{name: i, state: {running: {}}}]}",
      "0/2",
      "Init:0/1",
      "0",
    ],
  ];
  for (const [status, ready, text, restarts] of cases) {
    const yaml = `spec: {containers: [{name: a}, {name: b}], initContainers: [{name: i}], nodeName: n}\n${status}`;
    const { cells } = row("", "Pod", yaml);
    assert.deepEqual(cells.slice(1, 4), [ready, text, restarts], status);
  }
  const leaving =
    "{metadata: {name: x, deletionTimestamp: '2026-01-01T00:00:00Z'}, status: {phase: Running}}";
  assert.equal(row("", "Pod", leaving).cells[2], "Terminating");
  const wide = row("", "Pod", "{spec: {nodeName: n}, status: {podIP: 10.0.0.1}}");
  assert.deepEqual(wide.wide.slice(0, 2), ["IP", "Node"]);
  assert.deepEqual(wide.cells.slice(5, 7), ["10.0.0.1", "n"]);
});

test("a sidecar among the init containers counts as a container", () => {
  const yaml = `
    spec: {containers: [{name: a}], initContainers: [{name: istio-proxy, restartPolicy: Always}]}
    status:
      phase: Running
      containerStatuses: [{name: a, ready: true, state: {running: {}}}]
      initContainerStatuses: [{name: istio-proxy, ready: true, started: true, state: {running: {}}}]`;
  assert.deepEqual(row("", "Pod", yaml).cells.slice(1, 3), ["2/2", "Running"]);
});

test("other built-in kinds", () => {
  const deployment =
    "{spec: {replicas: 3}, status: {readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2}}";
  assert.deepEqual(row("apps", "Deployment", deployment).cells.slice(0, 5), [
    "x",
    "2/3",
    3,
    2,
    "60m",
  ]);
  const slice =
    "{addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}, {addresses: [10.0.0.3]}, {addresses: [10.0.0.4]}]}";
  assert.deepEqual(row("discovery.k8s.io", "EndpointSlice", slice).cells, [
    "x",
    "IPv4",
    "80",
    "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...",
    "60m",
  ]);
  const node =
    "{metadata: {name: x, labels: {node-role.kubernetes.io/control-plane: ''}}, status: {conditions: [{type: Ready, status: 'True'}], nodeInfo: {kubeletVersion: v1.36.0}}}";
  assert.deepEqual(row("", "Node", node).cells.slice(0, 5), [
    "x",
    "Ready",
    "control-plane",
    "<unknown>",
    "v1.36.0",
  ]);
  assert.deepEqual(row("", "Secret", "{type: Opaque, data: {a: '', b: ''}}").cells, [
    "x",
    "Opaque",
    2,
    "60m",
  ]);
  assert.deepEqual(row("", "ConfigMap", "{data: {a: ''}, binaryData: {b: ''}}").cells, [
    "x",
    2,
    "60m",
  ]);
  assert.deepEqual(row("", "Namespace", "status: {phase: Active}").cells, ["x", "Active", "60m"]);
  const event =
    "{type: Normal, reason: Started, message: 'up ', involvedObject: {kind: Pod, name: a}, lastTimestamp: '2026-01-01T00:59:30Z', firstTimestamp: '2026-01-01T00:30:00Z', count: 2}";
  assert.deepEqual(row("", "Event", event).cells, [
    "30s",
    "Normal",
    "Started",
    "pod/a",
    "",
    "up",
    "30m",
    "2",
    "x",
  ]);
});
