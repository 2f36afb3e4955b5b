// Writes gen/: one ECMAScript module and one declaration file per proto file that roots.json asks for.
//
// Plain JavaScript, and content with an old Node: it runs before anything of the workspace is built.
// There is no protoc and no buf here. A protoc plugin is a program that reads a CodeGeneratorRequest and writes a
// CodeGeneratorResponse, and envoy.binpb already holds the parsed files that make up such a request.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const gen = join(here, "gen");
const stampFile = join(gen, ".stamp");
const require = createRequire(import.meta.url);

const pluginOptions = [
  // All fields optional. Not only comfort: without it a field that a literal leaves out goes on the wire as the
  // string "undefined" as soon as a type error is silenced.
  "useOptionals=all",
  // No unknownFields=true: nothing that a proxy sent is ever encoded again, and without it decoded messages are plain
  // data and the code is a sixth smaller. src/registry.mjs keeps unknown fields where patches need that.
  // 64-bit integers as numbers. Decoding throws beyond 2^53 instead of rounding; nothing in xDS comes near it.
  "forceLong=number",
  // Timestamp stays {seconds, nanos}: a Date would lose everything below a millisecond.
  "useDate=false",
  // An enum becomes a constant object and the union of its numbers, so literals in a config need no cast.
  "enumsAsLiterals=true",
  "unrecognizedEnum=false",
  // $type (the full protobuf name) on the codec, not on messages: any.mjs builds type URLs from it.
  "outputTypeAnnotations=static-only",
  // Streams are served without generated stubs, and JSON is the registry's business (src/registry.mjs).
  "outputServices=none",
  "outputJsonMethods=false",
  "outputPartialMethods=false",
  "esModuleInterop=true",
  "importSuffix=.js",
  "annotateFilesWithVersion=false",
].join(",");

const descriptorBytes = readFileSync(join(here, "envoy.binpb"));
const rootsText = readFileSync(join(here, "roots.json"));

const stamp = createHash("sha256")
  .update(descriptorBytes)
  .update(rootsText)
  .update(readFileSync(fileURLToPath(import.meta.url)))
  .update(
    ["ts-proto", "esbuild", "typescript"]
      .map(name => `${name}@${packageJson(name).version}`)
      .join(" "),
  )
  .digest("hex");

removeLeftovers();

if (
  process.argv.includes("--force") ||
  !existsSync(stampFile) ||
  readFileSync(stampFile, "utf8") !== stamp
) {
  await generate();
}

// What runs that were killed have left beside gen/, where tsc and the linter would find it.
function removeLeftovers() {
  for (const name of readdirSync(here)) {
    const pid = /^gen\.new-(\d+)(\.old)?$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(here, name), { recursive: true, force: true });
  }
}

async function generate() {
  const started = Date.now();
  const [{ create, fromBinary, toBinary }, wkt, esbuild] = await Promise.all([
    import("@bufbuild/protobuf"),
    import("@bufbuild/protobuf/wkt"),
    import("esbuild"),
  ]);

  const { file: files } = fromBinary(wkt.FileDescriptorSetSchema, descriptorBytes);
  const wanted = selectFiles(files, JSON.parse(rootsText.toString()));
  // ts-proto encodes fields in the order in which they are declared. Sorted, it produces the canonical order of field
  // numbers, so that its bytes equal those of other implementations.
  for (const file of files) {
    file.messageType.forEach(sortFields);
  }

  // Two processes generate half of the files each. Every one has to see all files, to know the types.
  const halves = [wanted.filter((_, i) => i % 2 === 0), wanted.filter((_, i) => i % 2 === 1)];
  const sources = await Promise.all(
    halves.map(async half => {
      const request = create(wkt.CodeGeneratorRequestSchema, {
        fileToGenerate: half,
        parameter: `${pluginOptions},emitImportedFiles=false`,
        protoFile: files,
      });
      const output = await run(
        binary("ts-proto", "protoc-gen-ts_proto"),
        [],
        toBinary(wkt.CodeGeneratorRequestSchema, request),
      );
      const response = fromBinary(wkt.CodeGeneratorResponseSchema, output);
      if (response.error !== "") {
        throw new Error(`ts-proto: ${response.error}`);
      }
      return response.file;
    }),
  );

  // Everything is written aside and moved at the end: a run that is interrupted, or two at the same time, leave no
  // half of a directory. It has to be inside the package, where tsc finds @bufbuild/protobuf.
  const staging = join(here, `gen.new-${process.pid}`);
  const src = join(staging, "src");
  const out = join(staging, "out");
  try {
    const entries = [];
    for (const { name, content } of sources.flat()) {
      const path = join(src, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      entries.push(path);
    }
    writeFileSync(
      join(src, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "es2024",
          module: "nodenext",
          moduleResolution: "nodenext",
          strict: true,
          // Types are only copied out, not checked: each exported name is annotated.
          isolatedDeclarations: true,
          noCheck: true,
          declaration: true,
          emitDeclarationOnly: true,
          types: [],
          rootDir: ".",
          outDir: "../out",
        },
      }),
    );
    await Promise.all([
      esbuild.build({
        entryPoints: entries,
        outbase: src,
        outdir: out,
        format: "esm",
        target: "es2024",
        charset: "utf8",
        logLevel: "warning",
      }),
      run(binary("typescript", "tsc"), ["-p", src]),
    ]);
    writeFileSync(join(out, ".stamp"), stamp);
    // In two steps that can not be half done: what is removed slowly has another name by then.
    const former = `${staging}.old`;
    if (existsSync(gen)) renameSync(gen, former);
    renameSync(out, gen);
    rmSync(former, { recursive: true, force: true });
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(
    `envoy-api: ${wanted.length} of ${files.length} proto files generated in ${seconds} s`,
  );
}

// The roots (files, or directories ending in "/") and every file that declares a type one of them mentions.
// Following types and not imports leaves out the annotations, which most files import and no message contains.
function selectFiles(files, roots) {
  const byName = new Map(files.map(file => [file.name, file]));
  const declaredIn = new Map();
  for (const file of files) {
    const declare = (scope, messages, enums) => {
      for (const { name } of enums) {
        declaredIn.set(`${scope}.${name}`, file.name);
      }
      for (const { name, nestedType, enumType } of messages) {
        declaredIn.set(`${scope}.${name}`, file.name);
        declare(`${scope}.${name}`, nestedType, enumType);
      }
    };
    declare(file.package === "" ? "" : `.${file.package}`, file.messageType, file.enumType);
  }

  const selected = new Set();
  const select = name => {
    if (selected.has(name)) {
      return;
    }
    selected.add(name);
    const follow = message => {
      for (const { typeName } of message.field) {
        if (typeName !== "") {
          select(declaredIn.get(typeName));
        }
      }
      message.nestedType.forEach(follow);
    };
    byName.get(name).messageType.forEach(follow);
  };
  for (const root of roots) {
    const matches = root.endsWith("/")
      ? [...byName.keys()].filter(name => name.startsWith(root))
      : byName.has(root)
        ? [root]
        : [];
    if (matches.length === 0) {
      throw new Error(`roots.json: nothing in envoy.binpb matches ${root}`);
    }
    matches.forEach(select);
  }
  return [...selected].sort();
}

function sortFields(message) {
  message.field.sort((a, b) => a.number - b.number);
  message.nestedType.forEach(sortFields);
}

// The directory of an installed package, wherever npm put it. Asking Node for the file would fail with packages whose
// `exports` do not list it.
function packageDirectory(name) {
  for (const base of require.resolve.paths(name)) {
    if (existsSync(join(base, name, "package.json"))) {
      return join(base, name);
    }
  }
  throw new Error(`${name} is not installed: run npm install in the root of the checkout`);
}

function packageJson(name) {
  return JSON.parse(readFileSync(join(packageDirectory(name), "package.json"), "utf8"));
}

function binary(name, command) {
  return join(packageDirectory(name), packageJson(name).bin[command]);
}

function run(script, args, input = "") {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: here,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = [];
    const errors = [];
    child.stdout.on("data", chunk => output.push(chunk));
    child.stderr.on("data", chunk => errors.push(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) {
        resolve(Buffer.concat(output));
      } else {
        // tsc reports on its standard output.
        const text = Buffer.concat(errors.length > 0 ? errors : output)
          .toString()
          .slice(0, 4000);
        reject(new Error(`${script} ended with ${signal ?? code}\n${text}`));
      }
    });
    child.stdin.on("error", () => {}); // The exit code says what went wrong.
    child.stdin.end(input);
  });
}
