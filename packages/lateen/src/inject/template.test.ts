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
  ["{{ range .Spec.Containers }}{{ .name }}{{ end }}", "app"],
  ["{{ range .Values.none }}x{{ else }}none{{ end }}", "none"],
  ["{{ range $i, $c := .Spec.Containers }}{{ $i }}={{ $c.name }}{{ end }}", "0=app"],
  [
    "{{ range $k, $v := .ObjectMeta.Annotations }}[{{ $k }}:{{ $v }}]{{ end }}",
    "[a.example/b:yes][empty:]",
  ],
  ["{{ range $k := .ObjectMeta.Labels }}{{ $k }}{{ end }}", "web"],
  ['{{ range list "a" "b" "c" }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}', "ac"],
  ['{{ range list "a" "b" "c" }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}', "a"],
  ["{{ range list 1 2 }}{{ $.Revision }}{{ . }} {{ end }}", "canary1 canary2 "],
  ["{{ with .ObjectMeta }}{{ .name }} {{ $.Revision }}{{ end }}", "web-1 canary"],
  ["{{ with .Values.none }}x{{ else }}{{ .Revision }}{{ end }}", "canary"],
  ["{{ with $m := .ObjectMeta }}{{ $m.name }}{{ end }}", "web-1"],
  ["{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"],
  ["{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"],
  ['{{ define "say" }}<{{ .name }}>{{ end }}{{ template "say" .ObjectMeta }}', "<web-1>"],
  ['{{ block "b" .Spec }}{{ .serviceAccountName }}{{ end }}', "web"],
  ["{{ (index .Spec.Containers 0).name }}", "app"],
  ['{{ printf "%s-%d%%" .Revision 3 }}', "canary-3%"],
  ["{{ if gt (len .Spec.Containers) 0 }}some{{ end }}", "some"],
  ['{{ "a,b" | splitList "," | join "+" | trimSuffix "b" }}', "a+"],
  ["literal {{ `{{` }} and }}", "literal {{ and }}"],
  ['{{ replace "a" "$&" "bar" }}', "b$&r"],
  ["{{ range 0 }}x{{ else }}none{{ end }}{{ range 2 }}{{ . }}{{ end }}", "none01"],
];

for (const [text, expected] of cases)
  test(`template: ${text}`, () => assert.equal(render(text), expected));

const refusals: readonly (readonly [string, RegExp])[] = [
  ["a\nb {{ range .Revision }}{{ end }}", /^! line 2: range wants a list or an object/],
  ["{{ $x }}", /^! line 1: there is no variable \$x/],
  ["{{ break }}", /^! line 1: break without a range/],
  ['{{ template "no" . }}', /^! line 1: there is no template "no"; defined are none/],
  ['{{ include "no" . }}', /there is no function include/],
  ['{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}', /too deep/],
  ["{{ range 90000 }}{{ range 90000 }}{{ end }}{{ end }}", /more than 100000 steps/],
  ["a\n{{ with .Spec }}b", /^! line 2: a with has no end/],
  ["{{ nosuch .Revision }}", /^! line 1: there is no function nosuch; there are index, eq/],
  ["{{ if .Revision }}", /^! line 1: an if has no end/],
  ["{{ end }}", /^! line 1: end without an if, with or range/],
  ["{{ .A | .B }}", /\| wants a function/],
  ["{{ quote }}", /quote: wants 1 values, found 0/],
  ["{{ .A .B }}", /is one too many/],
  ["{{ (eq 1 1 }}", /a parenthesis is not closed/],
  ["{{ constructor .A }}", /there is no function constructor/],
  ["{{ range 20000 }}{{ range 100000 }}{{ break }}{{ end }}{{ end }}", /more than 100000 steps/],
  ["{{range 90000}}{{range 90000}}{{end}}{{end}}", /more than 100000 steps/],
  [
    '{{ $a := "xxxxxxxx" }}{{ range 40 }}{{ $a = printf "%s%s" $a $a }}{{ end }}',
    /works on more than 8388608 characters/,
  ],
  [
    "{{ $a := list 1 }}{{ range 40 }}{{ $a = list $a $a }}{{ end }}{{ toJson $a }}",
    /a value has more than 1048576 characters/,
  ],
  ["{{ $a := list }}{{ range 9000 }}{{ $a = list $a }}{{ end }}", /nested more than 128 deep/],
  [
    `{{ $v := list "${"x".repeat(9000)}" }}{{ range 9000 }}{{ $x := toJson $v }}{{ end }}`,
    /works on more than 8388608 characters/,
  ],
  [`{{ range 90000 }}{{ $x := "${"x".repeat(9000)}" }}{{ end }}`, /works on more than 8388608/],
  [
    `{{ $a := "${"x".repeat(9000)}" }}{{ range 9 }}{{ $a = replace "x" $a $a }}{{ end }}`,
    /a value has more than 1048576 characters/,
  ],
  [
    `{{ $a := "${"x".repeat(9000)}" }}{{ range 9 }}{{ $a = join $a (splitList "" $a) }}{{ end }}`,
    /a value has more than 1048576 characters/,
  ],
  [`{{ $x := list${" 1".repeat(5000)} }}`, /an action may have at most 4096 words/],
];

for (const [text, expected] of refusals)
  test(`template, refused: ${JSON.stringify(text)}`, () => assert.match(render(text), expected));

test("no template can do more than give a text or a reason", () => {
  const piece = fc.constantFrom(
    ...'{{ }} {{- -}} if else end range with define $x := = , $ . .ObjectMeta ( ) | " ` index quote __proto__ eq 1 - \n'.split(
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

test("names that are known where they stand are not taken for values that are not there", () => {
  const fields = { "": ["ObjectMeta", "Revision"], ObjectMeta: ["name", "labels"] };
  const said = (text: string): string => {
    const result = renderTemplate(text, data, fields);
    return result.ok ? result.text : result.message;
  };
  assert.equal(said("{{ .Revison }}"), "line 1: there is no field Revison: did you mean Revision?");
  assert.equal(
    said("{{ $.ObjectMeta.Lables }}"),
    "line 1: there is no field Lables: did you mean labels?",
  );
  assert.equal(said("{{ .ObjectMeta.Labels.none }}"), "");
  assert.equal(said("{{ with .ObjectMeta }}{{ .anything }}{{ end }}"), "");
});
