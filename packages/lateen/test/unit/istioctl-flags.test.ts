/**
 * Every flag of istioctl's commands, of its reference
 * (https://istio.io/latest/docs/reference/commands/istioctl/) and of versions before: each is carried
 * out, accepted, or refused with the reason why there is none here.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../src/bin/command-tree.ts";
import type { Command, Flag } from "../../src/cli/command.ts";
import { GLOBAL_FLAGS } from "../../src/cli/main.ts";
import { parseCommandLine } from "../../src/cli/parse.ts";

const page = readFileSync(join(import.meta.dirname, "../../../../docs/istioctl.md"), "utf8");

const SPEC = "filename/f set/s revision/r manifests/d ~charts";
const INSTALL = `${SPEC} dry-run force readiness-timeout skip-confirmation/y verify`;
const XDS =
  "!xds-address !xds-port !xds-label !cert-dir !authority !timeout !insecure !plaintext" +
  " !xds-via-agents !xds-via-agents-limit";
const PC = "output/o proxy-admin-port";
const TAG = "manifests/d overwrite revision/r skip-confirmation/y webhook-name";

/**
 * By command. `name/s`: carried out, with its short form; `~name`: accepted and not in --help, an older
 * name or a wish that is met whatever it says; `!name`: refused.
 */
const FLAGS: Readonly<Record<string, string>> = {
  "": `namespace/n context kubeconfig/c istioNamespace/i as as-group as-uid ~vklog
    ~kubeclient-timeout ~log_as_json ~log_caller ~log_output_level ~log_rotate ~log_rotate_max_age
    ~log_rotate_max_backups ~log_rotate_max_size ~log_stacktrace_level ~log_target ~logtostderr`,
  install: INSTALL,
  upgrade: INSTALL,
  "manifest install": INSTALL,
  "manifest apply": INSTALL,
  "manifest generate": `${SPEC} component cluster-specific ~dry-run ~force !output/o`,
  "manifest translate": "filename/f set/s revision/r manifests/d output/o !dry-run",
  "profile list": "manifests/d ~charts ~dry-run",
  "profile dump":
    "filename/f manifests/d ~charts ~dry-run output/o config-path/p set/s revision/r !helm-output",
  "profile diff": "manifests/d ~charts ~dry-run",
  uninstall: `${SPEC} dry-run ~force purge skip-confirmation/y ~verbose/v`,
  "x uninstall": `${SPEC} dry-run ~force purge skip-confirmation/y ~verbose/v`,
  "verify-install": `${SPEC} enableVerbose`,
  "tag set": `${TAG} auto-inject-namespaces`,
  "tag generate": `${TAG} auto-inject-namespaces`,
  "tag list": "output/o",
  "tag remove": "skip-confirmation/y",
  "kube-inject": `filename/f output/o injectConfigFile valuesFile meshConfigFile operatorFileName
    ~injectConfigMapName ~meshConfigMapName revision/r !webhookConfig ${XDS}`,
  "x precheck": "from-version/f output/o output-threshold skip-controlplane revision/r ~namespaces",
  "x injector list": "",
  "x check-inject": "labels/l",
  "proxy-status": `file/f output/o revision/r verbosity/v ${XDS}`,
  ps: `file/f output/o revision/r verbosity/v ${XDS}`,
  "pc all": `${PC} file/f address direction fqdn name port subset type verbose`,
  "pc bootstrap": `${PC} file/f`,
  "pc cluster": `${PC} file/f direction fqdn port subset`,
  "pc ecds": `${PC} file/f`,
  "pc eds": `${PC} file/f address cluster port status`,
  "pc endpoint": `${PC} file/f address cluster port status`,
  "pc listener": `${PC} file/f address port type verbose`,
  "pc log": `${PC} level reset/r selector/l`,
  "pc rootca-compare": PC,
  "pc route": `${PC} file/f name verbose`,
  "pc secret": `${PC} file/f`,
  version: "output/o short/s remote revision/r",
};

function commandAt(path: string): readonly Command[] {
  const found = [root];
  for (const word of path.split(" ").filter(each => each !== "")) {
    const next = found
      .at(-1)
      ?.subcommands?.find(each => each.name === word || each.aliases?.includes(word));
    assert.ok(next, `lateen ${path}`);
    found.push(next);
  }
  return found;
}

/** As the parser finds it. */
function flagOf(path: string, name: string): Flag {
  const own = commandAt(path).flatMap(each => each.flags ?? []);
  const flag = [...own, ...GLOBAL_FLAGS].find(each => each.name === name);
  assert.ok(flag, `lateen ${path} has no --${name}`);
  return flag;
}

const rows = Object.entries(FLAGS).flatMap(([path, flags]) =>
  flags
    .split(/\s+/)
    .filter(each => each !== "")
    .map(text => {
      const [, mark, name = "", short] = /^([~!]?)([\w-]+)(?:\/(\w))?$/.exec(text) ?? [];
      return { path, mark, name, short };
    }),
);

test("every flag of istioctl's commands is known, by its short form, too", () => {
  for (const { path, mark, name, short } of rows) {
    const flag = flagOf(path, name);
    const where = `lateen ${path} --${name}`;
    assert.equal(flag.short, short, where);
    assert.equal(flag.refused !== undefined, mark === "!", where);
    assert.equal(flag.hidden === true, mark !== "", where);
    assert.notEqual(flag.description === "" ? flag.refused : flag.description, "", where);
  }
});

test("what is refused says why, whichever way it is given", () => {
  const words = (path: string): string[] => path.split(" ").filter(each => each !== "");
  for (const { path, name } of rows.filter(({ mark }) => mark === "!")) {
    const { refused = "", kind, short } = flagOf(path, name);
    const spellings = kind === "boolean" ? [[`--${name}`]] : [[`--${name}=x`], [`--${name}`, "x"]];
    if (short !== undefined) spellings.push([`-${short}`, "x"]);
    for (const spelling of spellings)
      assert.throws(() => parseCommandLine(root, GLOBAL_FLAGS, [...words(path), ...spelling]), {
        name: "UserError",
        message: `--${name}: ${refused}`,
      });
    assert.ok(page.includes(`\`--${name}\``), `docs/istioctl.md says nothing of --${name}`);
  }
});

test("what is accepted without being offered is on the page about istioctl", () => {
  for (const { path, name } of rows.filter(({ mark }) => mark === "~"))
    if (!name.startsWith("log"))
      assert.ok(page.includes(`\`--${name}\``), `docs/istioctl.md: --${name} of ${path}`);
});

test("nothing is refused or hidden that istioctl never had", () => {
  const named = new Set(rows.map(({ name }) => name));
  const visit = (command: Command): void => {
    for (const { name, refused } of command.flags ?? [])
      if (refused !== undefined) assert.ok(named.has(name), `${command.name} --${name}`);
    for (const each of command.subcommands ?? []) visit(each);
  };
  visit(root);
});
