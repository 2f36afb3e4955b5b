import assert from "node:assert/strict";
import { test } from "node:test";
import { startProblem } from "./start-problem.ts";

const command = { argv: ["prog", "-x"], workingDir: "/srv" };
const prefix = "unable to start container process: ";
const cases: readonly (readonly [code: number, lastLine: string, expected: string | undefined])[] =
  [
    [
      127,
      "env: 'prog': No such file or directory",
      `${prefix}exec: "prog": executable file not found in $PATH`,
    ],
    [126, "env: 'prog': Permission denied", `${prefix}exec: "prog": permission denied`],
    [
      125,
      "env: cannot change directory to '/srv': Not a directory",
      `${prefix}chdir to cwd ("/srv"): not a directory`,
    ],
    [127, "setpriv: unknown capability 'foo'", `${prefix}unknown capability 'foo'`],
    // A program that has begun, and ended as a shell or a script of its own does.
    [127, "sh: 1: nothing: not found", undefined],
    [127, "it is over", undefined],
    [1, "env: 'prog': No such file or directory", undefined],
  ];
for (const [code, lastLine, expected] of cases)
  test(`${code} after ${JSON.stringify(lastLine)}`, () => {
    assert.equal(startProblem(command, code, lastLine), expected);
  });

test("a path is not looked for in PATH", () => {
  const at = { argv: ["/no/prog"], workingDir: "/" };
  assert.equal(
    startProblem(at, 127, "env: '/no/prog': No such file or directory"),
    `${prefix}exec: "/no/prog": no such file or directory`,
  );
});
