/** Tar archives that come out the same, byte for byte, wherever they are made (POSIX ustar and pax). */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

export interface TarEntry {
  /** Relative, without a slash at its end. */
  readonly path: string;
  readonly mode: number;
  readonly content:
    | { readonly type: "directory" }
    | { readonly type: "symlink"; readonly target: string }
    | { readonly type: "bytes"; readonly bytes: Uint8Array }
    | { readonly type: "file"; readonly source: string; readonly size: number };
}

export interface WrittenTar {
  /** Hexadecimal SHA-256 of the whole archive. */
  readonly sha256: string;
  readonly size: number;
}

const BLOCK = 512;
const CHUNK = 1 << 20;
const NAME_MAX = 100;
const TYPES = { directory: "5", symlink: "2", bytes: "0", file: "0" } as const;

/** Writes the entries in the order given: everything belongs to root and is from 1970. */
export async function writeTar(target: string, entries: Iterable<TarEntry>): Promise<WrittenTar> {
  const handle = await open(target, "w", 0o644);
  try {
    const out = new Output(handle);
    for (const entry of entries) await writeEntry(out, entry);
    await out.write(Buffer.alloc(2 * BLOCK));
    return { sha256: out.hash.digest("hex"), size: out.size };
  } finally {
    await handle.close();
  }
}

/** Entries sorted by path, with those folders added that no entry names. Later ones win. */
export function sortedEntries(entries: Iterable<TarEntry>): TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) byPath.set(entry.path, entry);
  for (const path of [...byPath.keys()]) {
    const parts = path.split("/");
    for (let i = 1; i < parts.length; i++) {
      const folder = parts.slice(0, i).join("/");
      if (!byPath.has(folder))
        byPath.set(folder, { path: folder, mode: 0o755, content: { type: "directory" } });
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

class Output {
  readonly hash: Hash = createHash("sha256");
  size = 0;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.size += bytes.length;
    await this.#handle.writeFile(bytes);
  }

  /** Zeros up to the next block. */
  async pad(): Promise<void> {
    const over = this.size % BLOCK;
    if (over > 0) await this.write(Buffer.alloc(BLOCK - over));
  }
}

async function writeEntry(out: Output, entry: TarEntry): Promise<void> {
  const { content } = entry;
  const path = content.type === "directory" ? `${entry.path}/` : entry.path;
  const target = content.type === "symlink" ? content.target : "";
  await writeLongNames(out, path, target);
  await out.write(header(path, target, entry.mode, TYPES[content.type], sizeOf(entry)));
  if (content.type === "bytes") await out.write(content.bytes);
  if (content.type === "file") await copyFile(out, content.source, content.size);
  await out.pad();
}

function sizeOf({ content }: TarEntry): number {
  if (content.type === "bytes") return content.bytes.length;
  return content.type === "file" ? content.size : 0;
}

async function copyFile(out: Output, source: string, size: number): Promise<void> {
  const handle = await open(source, "r");
  try {
    let left = size;
    while (left > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(CHUNK, left)));
      if (bytesRead === 0) throw new Error(`${source} became shorter while it was read`);
      await out.write(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
  } finally {
    await handle.close();
  }
}

/** What does not fit a ustar header goes before it, as a pax record. */
async function writeLongNames(out: Output, path: string, target: string): Promise<void> {
  let records = "";
  if (Buffer.byteLength(path) > NAME_MAX) records += paxRecord("path", path);
  if (Buffer.byteLength(target) > NAME_MAX) records += paxRecord("linkpath", target);
  if (records === "") return;
  const bytes = Buffer.from(records);
  await out.write(header("pax", "", 0o644, "x", bytes.length));
  await out.write(bytes);
  await out.pad();
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length++;
  return `${length}${rest}`;
}

function header(path: string, target: string, mode: number, type: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  };
  block.write(path.slice(0, NAME_MAX), 0, NAME_MAX, "utf8");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.fill(" ", 148, 156);
  block.write(type, 156, "latin1");
  block.write(target.slice(0, NAME_MAX), 157, NAME_MAX, "utf8");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
