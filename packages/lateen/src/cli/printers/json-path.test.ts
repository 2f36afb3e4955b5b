/** The examples of kubectl's own documentation, and the forms that people write in scripts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonPathTemplate, jsonPathValues } from "./json-path.ts";

const list = {
  kind: "List",
  items: [
    {
      kind: "None",
      metadata: { name: "127.0.0.1", labels: { "kubernetes.io/hostname": "127.0.0.1" } },
      status: {
        capacity: { cpu: "4" },
        addresses: [{ type: "LegacyHostIP", address: "127.0.0.1" }],
      },
    },
    {
      kind: "None",
      metadata: { name: "127.0.0.2" },
      status: {
        capacity: { cpu: "8" },
        addresses: [
          { type: "LegacyHostIP", address: "127.0.0.2" },
          { type: "another", address: "127.0.0.3" },
        ],
      },
    },
  ],
  users: [
    { name: "myself", user: {}, age: 20 },
    { name: "e2e", user: { username: "admin", password: "secret" }, age: 30 },
  ],
};
const printed = (template: string): string => jsonPathTemplate(template)(list);

test("templates", () => {
  for (const [template, expected] of [
    ["kind is {.kind}", "kind is List"],
    ["{.kind}", "List"],
    ["{['kind']}", "List"],
    ["{..name}", "127.0.0.1 127.0.0.2 myself e2e"],
    ["{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"],
    ["{.users[0].name}", "myself"],
    ["{.users[-1].name}", "e2e"],
    ["{.users[0:1].name}", "myself"],
    ["{.users[-1:].name}", "e2e"],
    ["{.items[*]['metadata.name', 'kind']}", "127.0.0.1 127.0.0.2 None None"],
    ['{.users[?(@.name=="e2e")].user.password}', "secret"],
    ["{.users[?(@.age>20)].name}", "e2e"],
    ["{.users[?(@.user.username)].name}", "e2e"],
    ['{.items[*].status.addresses[?(@.type != "another")].address}', "127.0.0.1 127.0.0.2"],
    [
      "{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}",
      "[127.0.0.1, 4] [127.0.0.2, 8] ",
    ],
    [
      '{range .items[*]}{.metadata.name}{"\\t"}{$.kind}{"\\n"}{end}',
      "127.0.0.1\tList\n127.0.0.2\tList\n",
    ],
    ["{.items[*].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"],
    ["{.items[0].metadata.labels['kubernetes.io/hostname']}", "127.0.0.1"],
    ["{.items[0].metadata.labels['kubernetes\\.io/hostname']}", "127.0.0.1"],
    ["{.users[*].name}", "myself e2e"],
    ["{.users[0].user}", "{}"],
    ["{.nothing.there}", ""],
    ["{.constructor}", ""],
    ["plain", "plain"],
    ["{'{'}{.kind}{'}'}", "{List}"],
  ] as const)
    assert.equal(printed(template), expected, template);
});

test("columns", () => {
  assert.deepEqual(jsonPathValues(".users[*].name")(list), ["myself", "e2e"]);
  assert.deepEqual(jsonPathValues("kind")(list), ["List"]);
  assert.deepEqual(jsonPathValues("{.kind}")(list), ["List"]);
  assert.deepEqual(jsonPathValues(".none")(list), []);
});

test("what can not be read is named", () => {
  for (const template of ["{.a", "{range .items[*]}x", "{end}", "{.a[b]}", "{.a)}"])
    assert.throws(() => jsonPathTemplate(template), /jsonpath/, template);
});
