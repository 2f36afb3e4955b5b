import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { renderTemplate } from "./template.ts";

const data = {
  ObjectMeta: {
    name: "web-1",
    labels: { app: "web" },
    annotations: { "a.example/b": "yes", empty: "" },
  },
  Spec: { serviceAccountName: "web", containers: [{ name: "app" }] },
  Values: { global: { hub: "registry.example", proxy: { image: "proxyv2" } } },
  Revision: "canary",
  NativeSidecars: true,
};

function render(text: string): string {
  const result = renderTemplate(text, data);
  return result.ok ? result.text : `! ${result.message}`;
}

const cases: readonly (readonly [string, string])[] = [
  ["plain: {a: 1}", "plain: {a: 1}"],
  ["{{ .ObjectMeta.Name }}-{{ .Revision }}", "web-1-canary"],
  ["{{ .ObjectMeta.Labels.app | quote }}", '"web"'],
  ['{{ index .ObjectMeta.Annotations "a.example/b" }}', "yes"],
  ["{{ index .ObjectMeta.Annotations `a.example/b` }}", "yes"],
  ['{{ index .Spec.Containers 0 "name" }}', "app"],
  ["{{ .Spec.ServiceAccountName | upper }}", "WEB"],
  ["{{ .Values.global.hub }}/{{ .Values.global.proxy.image }}", "registry.example/proxyv2"],
  ['{{ .Missing.Thing | default "none" }}', "none"],
  ['{{ annotation .ObjectMeta "no" "otherwise" }}', "otherwise"],
  ["a {{- /* gone */ -}} b", "ab"],
  ['{{ if eq .Revision "canary" }}new{{ else }}old{{ end }}', "new"],
  ['{{ if and .NativeSidecars (not (eq .Revision "x")) }}both{{ end }}', "both"],
  [
    '{{ if eq .Revision "a" "b" }}1{{ else if isset .ObjectMeta.Annotations "empty" }}2{{ end }}',
    "2",
  ],
  ["{{ if .Missing }}{{ nonsense }}{{ end }}fine", "fine"],
  ["{{ toJSON .ObjectMeta.Labels }}", '{"app":"web"}'],
  ["literal {{ `{{` }} and }}", "literal {{ and }}"],
];

for (const [text, expected] of cases)
  test(`template: ${text}`, () => assert.equal(render(text), expected));

const refusals: readonly (readonly [string, RegExp])[] = [
  ["a\nb {{ range .Spec.Containers }}{{ end }}", /^! line 2: \{\{ range \}\} is not supported/],
  ["{{ $x := 1 }}", /^! line 1: .*is not supported here/],
  ["{{ nosuch .Revision }}", /^! line 1: there is no function nosuch; there are index, eq/],
  ["{{ if .Revision }}", /^! line 1: an if has no end/],
  ["{{ end }}", /^! line 1: end without an if/],
  ["{{ .A | .B }}", /\| wants a function/],
  ["{{ quote }}", /quote: wants 1 values, found 0/],
  ["{{ .A .B }}", /is one too many/],
  ["{{ (eq 1 1 }}", /a parenthesis is not closed/],
  ["{{ constructor .A }}", /there is no function constructor/],
];

for (const [text, expected] of refusals)
  test(`template, refused: ${JSON.stringify(text)}`, () => assert.match(render(text), expected));

test("no template can do more than give a text or a reason", () => {
  const piece = fc.constantFrom(
    ...'{{ }} {{- -}} if else end . .ObjectMeta ( ) | " ` index quote __proto__ eq 1 - \n'.split(
      " ",
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), parts => {
      const result = renderTemplate(parts.join(" "), data);
      assert.ok(result.ok ? typeof result.text === "string" : result.message !== "");
    }),
  );
});
