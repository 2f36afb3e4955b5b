/** Fails where a folder imports what its layer may not, or a pure folder reaches for I/O or time. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";

interface Rules {
  readonly layers: Readonly<Record<string, readonly string[]>>;
  readonly pure: readonly string[];
  readonly packages: Readonly<Record<string, readonly string[]>>;
}

const root = join(import.meta.dirname, "..");
const source = join(root, "packages/lateen/src");
const rules = JSON.parse(readFileSync(join(root, "scripts/layers.json"), "utf8")) as Rules;
const MAX_LINES = 600;
/** node: modules without I/O, which pure folders may use. */
const PURE_NODE_MODULES = new Set(["node:buffer", "node:crypto", "node:util", "node:net"]);
const AMBIENT =
  /\b(Date\.now|new Date\(\)|Math\.random|setTimeout\(|setInterval\(|process\.|console\.)/;

const problems: string[] = [];
for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
  checkFile(join(entry.parentPath, entry.name));
}
for (const problem of problems) console.error(problem);
console.log(`layers: ${problems.length === 0 ? "ok" : `${problems.length} problems`}`);
process.exitCode = problems.length === 0 ? 0 : 1;

function checkFile(file: string): void {
  const layer = relative(source, file).split(sep)[0] ?? "";
  const allowed = rules.layers[layer];
  const shown = relative(root, file);
  if (allowed === undefined) {
    problems.push(`${shown}: folder ${layer} is not a layer; add it to scripts/layers.json`);
    return;
  }
  const text = readFileSync(file, "utf8");
  const isTest = isTestsOwn(file);
  if (text.split("\n").length > MAX_LINES)
    problems.push(`${shown}: over ${MAX_LINES} lines; split it`);
  for (const specifier of importsOf(text))
    checkImport(file, shown, layer, allowed, specifier, isTest);
  if (rules.pure.includes(layer) && !isTest) checkPurity(shown, text);
}

/** Tests, and what only they use. */
function isTestsOwn(file: string): boolean {
  return file.endsWith(".test.ts") || basename(file).startsWith("test-");
}

function importsOf(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g))
    found.push(match[1] ?? "");
  return found;
}

function checkImport(
  file: string,
  shown: string,
  layer: string,
  allowed: readonly string[],
  specifier: string,
  isTest: boolean,
): void {
  if (specifier.startsWith(".")) {
    const target = relative(source, resolve(dirname(file), specifier));
    if (target.startsWith("..")) {
      if (!isTest) problems.push(`${shown}: imports ${specifier}, outside of src`);
      return;
    }
    if (!isTest && isTestsOwn(target))
      problems.push(`${shown}: imports ${specifier}, which is for tests`);
    const other = target.split(sep)[0] ?? "";
    if (other === layer || allowed.includes("*") || allowed.includes(other)) return;
    problems.push(`${shown}: ${layer} may not import ${other} (${specifier})`);
  } else if (specifier.startsWith("node:")) {
    if (isTest || !rules.pure.includes(layer) || PURE_NODE_MODULES.has(specifier)) return;
    problems.push(`${shown}: ${layer} does no I/O and may not import ${specifier}`);
  } else {
    checkPackage(shown, layer, specifier, isTest);
  }
}

function checkPackage(shown: string, layer: string, specifier: string, isTest: boolean): void {
  if (isTest) return;
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const users = rules.packages[name];
  if (users?.includes(layer)) return;
  problems.push(`${shown}: ${layer} may not import package ${name}; see scripts/layers.json`);
}

function checkPurity(shown: string, text: string): void {
  text.split("\n").forEach((line, i) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(line)) return;
    if (AMBIENT.test(line))
      problems.push(`${shown}:${i + 1}: ambient time, chance, process or console`);
    if (/\bawait\b|\basync\b/.test(line))
      problems.push(`${shown}:${i + 1}: async in a synchronous layer`);
  });
}
