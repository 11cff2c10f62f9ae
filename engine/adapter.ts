// Finds a WebGPU adapter in Node: a real GPU, else the system's lavapipe, else SwiftShader out of an npm package.
//
// Dawn asks the Vulkan loader, and the loader asks the environment (VK_ICD_FILENAMES) each time an instance is made, so a
// candidate is tried by setting that variable and calling `create()` anew. The embedded adapter brings its own loader:
// once `libvulkan.so.1` is in the process, Dawn finds it by its name, and a machine without any Vulkan has an adapter.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { brotliDecompressSync } from "node:zlib";
import envPaths from "env-paths";
import koffi from "koffi";
import tar from "tar-stream";
import { create, globals } from "webgpu";
import { AdapterError, UsageError } from "./errors.js";
import { nearest } from "./nearest.js";

export type AdapterKind = "gpu" | "lavapipe" | "swiftshader";
export const adapterKinds: readonly AdapterKind[] = ["gpu", "lavapipe", "swiftshader"];

/** What became of one candidate: `found` is the adapter's description, or undefined with the `reason`. */
export interface Attempt {
  kind: AdapterKind;
  found?: string;
  reason?: string;
}

export interface FoundAdapter {
  /** What `create()` returned: must live as long as the device (dropped, Node dies with signal 11). */
  gpu: GPU;
  adapter: GPUAdapter;
  kind: AdapterKind;
  attempts: Attempt[];
}

export interface FindOptions {
  /** Forces one kind; default: UIFACE_ADAPTER, else the best that works. */
  kind?: AdapterKind | undefined;
  /** Passes Dawn's `disable_robustness`: no bounds clamps. For tested kernels only; gains 20-45 % on SwiftShader. */
  unchecked?: boolean | undefined;
  /** More of Dawn's toggles to switch on: for measurements. */
  toggles?: readonly string[] | undefined;
}

const systemIcdFolders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/** No candidate answered. */
export class NoAdapterError extends AdapterError {
  constructor(
    readonly attempts: readonly Attempt[],
    /** What to do. */
    readonly next: string,
  ) {
    const tried = attempts.map((a) => `  ${a.kind.padEnd(12)} ${a.reason}`).join("\n");
    super(`No usable WebGPU adapter.\n${tried}\n${next}`);
  }
}

/** Tries the candidates in order and returns the first that answers; throws NoAdapterError otherwise. */
export async function findAdapter(options: FindOptions = {}): Promise<FoundAdapter> {
  Object.assign(globalThis, globals);
  const forced = options.kind ?? parseKind(process.env.UIFACE_ADAPTER);
  const attempts: Attempt[] = [];
  for (const kind of forced ? [forced] : adapterKinds) {
    const gpu = await prepare(kind, options, attempts);
    if (!gpu) continue;
    const adapter = await quietly(() => gpu.requestAdapter({ powerPreference: "high-performance" }));
    const reason = adapter ? mismatch(kind, adapter.info) : "Dawn found no Vulkan, Metal or D3D12 adapter";
    if (adapter && !reason) {
      attempts.push({ kind, found: describe(adapter.info) });
      return { gpu, adapter, kind, attempts };
    }
    attempts.push({ kind, reason: reason ?? "refused" });
  }
  const next = forced
    ? "Unset UIFACE_ADAPTER to take the best that works."
    : "Run `npm ci` again, then `uiface doctor`.";
  throw new NoAdapterError(attempts, next);
}

/** The value of UIFACE_ADAPTER, checked. */
export function parseKind(text: string | undefined): AdapterKind | undefined {
  if (!text) return undefined;
  const kind = adapterKinds.find((k) => k === text);
  if (!kind) {
    const near = nearest(text, adapterKinds);
    throw new UsageError(
      `UIFACE_ADAPTER is "${text}", but can only be ${adapterKinds.join(", ")}.${near ? ` Did you mean ${near}?` : ""}`,
    );
  }
  return kind;
}

export const describe = (info: GPUAdapterInfo): string =>
  info.description || info.device || info.vendor || "unnamed adapter";

/** Sets the environment for one candidate and makes an instance; undefined (and an entry in `attempts`) if it cannot be there. */
async function prepare(kind: AdapterKind, options: FindOptions, attempts: Attempt[]): Promise<GPU | undefined> {
  if (kind === "lavapipe") {
    const icd = systemIcdFolders.flatMap(listIcds).find((path) => /lvp_icd.*\.json$/.test(path));
    if (!icd) {
      attempts.push({ kind, reason: `no lvp_icd*.json in ${systemIcdFolders.join(", ")}` });
      return undefined;
    }
    process.env.VK_ICD_FILENAMES = icd;
  }
  if (kind === "swiftshader") {
    if (process.platform !== "linux" || process.arch !== "x64") {
      attempts.push({
        kind,
        reason: `the embedded adapter is for linux-x64, this is ${process.platform}-${process.arch}`,
      });
      return undefined;
    }
    const folder = await unpackSwiftShader();
    if (!loadLibrary("libvulkan.so.1")) loadLibrary(join(folder, "libvulkan.so.1"));
    process.env.VK_ICD_FILENAMES = join(folder, "vk_swiftshader_icd.json");
  }
  const unchecked = options.unchecked ? ["disable_robustness", "disable_workgroup_init"] : [];
  const toggles = [...unchecked, ...(options.toggles ?? [])];
  const enable = toggles.length ? [`enable-dawn-features=${toggles.join(",")}`] : [];
  return create([...enable, "disable-dawn-features=timestamp_quantization"]);
}

const listIcds = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : [];

/** Why an adapter is not of the kind asked for. A software adapter says so itself (`isFallbackAdapter`). */
function mismatch(kind: AdapterKind, info: GPUAdapterInfo): string | undefined {
  const software = info.isFallbackAdapter || info.architecture === "software";
  const text = `${info.vendor} ${info.description} ${info.device}`.toLowerCase();
  const actual: AdapterKind = !software ? "gpu" : /swiftshader|google/.test(text) ? "swiftshader" : "lavapipe";
  return actual === kind ? undefined : `the adapter found is ${describe(info)}, a ${actual} one`;
}

function loadLibrary(path: string): boolean {
  try {
    koffi.load(path);
    return true;
  } catch {
    return false;
  }
}

/** Unpacks SwiftShader from @sparticuz/chromium into the cache folder once; returns the folder. */
async function unpackSwiftShader(): Promise<string> {
  const require = createRequire(import.meta.url);
  const packageRoot = dirname(dirname(dirname(require.resolve("@sparticuz/chromium"))));
  const version = (JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string }).version;
  const target = join(envPaths("uiface", { suffix: "" }).cache, `swiftshader-${version}`);
  if (existsSync(join(target, "vk_swiftshader_icd.json"))) return target;

  mkdirSync(dirname(target), { recursive: true });
  const partial = mkdtempSync(`${target}-`);
  const archive = brotliDecompressSync(readFileSync(join(packageRoot, "bin", "swiftshader.tar.br")));
  const extract = tar.extract();
  Readable.from([archive]).pipe(extract);
  for await (const entry of extract) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (entry.header.type === "file")
      writeFileSync(join(partial, entry.header.name), Buffer.concat(chunks), { mode: 0o755 });
  }
  try {
    renameSync(partial, target); // whole or absent, also when two processes start at once
  } catch (error) {
    rmSync(partial, { recursive: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** Dawn and the Vulkan loader print warnings of their own while an adapter is requested; only DEBUG shows them. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  if (process.env.DEBUG || process.platform !== "linux") return work();
  const libc = koffi.load("libc.so.6");
  const dup = libc.func("int dup(int)") as (fd: number) => number;
  const dup2 = libc.func("int dup2(int, int)") as (from: number, to: number) => number;
  const open = libc.func("int open(const char *, int)") as (path: string, flags: number) => number;
  const close = libc.func("int close(int)") as (fd: number) => number;
  const saved = dup(2);
  const sink = open("/dev/null", 1);
  dup2(sink, 2);
  try {
    return await work();
  } finally {
    dup2(saved, 2);
    close(saved);
    close(sink);
  }
}
