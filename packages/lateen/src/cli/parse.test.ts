import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { createRoot, GLOBAL_FLAGS, runCli } from "./main.ts";
import { parseCommandLine } from "./parse.ts";

const root: Command = createRoot([]);
const parse = (line: string) => parseCommandLine(root, GLOBAL_FLAGS, line.split(" "));

test("flags stand before or after the pod, in every spelling", () => {
  for (const line of [
    "pc listeners --port 8080 sleep",
    "pc listeners sleep --port=8080",
    "proxy-config listener sleep --port 8080",
  ]) {
    const parsed = parse(line);
    assert.equal(parsed.command.name, "listener");
    assert.equal(parsed.call.flags["port"], 8080);
    assert.deepEqual(parsed.call.args, ["sleep"]);
  }
  assert.equal(parse("pc l -nistio-system x").call.flags["namespace"], "istio-system");
});

test("exec leaves the words of the command alone", () => {
  assert.deepEqual(parse("exec -it sleep -- curl -s x").call.trailing, ["curl", "-s", "x"]);
  assert.deepEqual(parse("exec sleep curl -s x").call.args, ["sleep", "curl", "-s", "x"]);
});

test("a mistake is named, with what is near", async () => {
  const cases: [string, RegExp][] = [
    ["pz", /unknown command "pz" for "lateen"/],
    ["pc listenrs x", /unknown command "listenrs"[\s\S]*did you mean "listeners"/],
    ["pc listeners x --prt 80", /unknown flag --prt[\s\S]*did you mean --port/],
    ["pc listeners x --port many", /--port is "many"; it must be a number/],
    ["pc listeners x -o xml", /--output is "xml"; it must be one of short, json, yaml/],
    ["pc rootca-compare a", /needs <pod-name/],
    ["ps a b", /does not take "b"/],
  ];
  for (const [line, expected] of cases) {
    const printed: string[] = [];
    const code = await runCli(line.split(" "), {
      root,
      stdout: { write: () => undefined },
      stderr: { write: text => void printed.push(text) },
      createContext: () => assert.fail("the command must not run"),
    });
    assert.equal(code, 1, line);
    assert.match(printed.join(""), expected, line);
  }
});
