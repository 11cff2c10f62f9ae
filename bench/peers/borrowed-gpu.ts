// The adapter of this repository as `navigator.gpu`, for libraries that look for a browser's; and a quiet wait for them.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, findAdapter } from "../../engine/adapter.js";

/** What was found is kept: collected while a device lives, it takes the process down. */
const held: unknown[] = [];

/** Makes `navigator.gpu` and returns the adapter's description. */
export async function lendGpu(): Promise<string> {
  const found = await findAdapter();
  held.push(found);
  const { gpu, kind, adapter } = found;
  const lent = { requestAdapter: (options?: GPURequestAdapterOptions) => gpu.requestAdapter(options).then(watched) };
  const navigator = { gpu: Object.assign(lent, { getPreferredCanvasFormat: () => "rgba8unorm" }), userAgent: "Node" };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  rest();
  return `${describe(adapter.info)} (${kind})`;
}

/** Keeps the adapter and its devices. */
function watched(adapter: GPUAdapter | null): GPUAdapter | null {
  if (!adapter) return adapter;
  const requestDevice = adapter.requestDevice.bind(adapter);
  const lent = async (descriptor?: GPUDeviceDescriptor) => {
    const device = await requestDevice(descriptor);
    held.push(device, device.queue);
    copiesShared(device.queue);
    return device;
  };
  Object.defineProperty(adapter, "requestDevice", { value: lent });
  held.push(adapter);
  return adapter;
}

/** Dawn's Node bindings refuse memory shared between threads, which ONNX Runtime's WebAssembly has: it is copied first. */
function copiesShared(queue: GPUQueue): void {
  const write = queue.writeBuffer.bind(queue);
  const copying: GPUQueue["writeBuffer"] = (buffer, offset, data, from = 0, size?: number) => {
    const bytes = ArrayBuffer.isView(data) ? data : new Uint8Array(data as ArrayBuffer);
    if (!(bytes.buffer instanceof SharedArrayBuffer)) return write(buffer, offset, data as BufferSource, from, size);
    const unit = "BYTES_PER_ELEMENT" in bytes ? Number(bytes.BYTES_PER_ELEMENT) : 1;
    const start = bytes.byteOffset + unit * from;
    const length = size === undefined ? bytes.byteLength - unit * from : unit * size;
    return write(buffer, offset, new Uint8Array(bytes.buffer, start, length).slice());
  };
  Object.defineProperty(queue, "writeBuffer", { value: copying });
}

/** Turns of the event loop since something was asked for. */
let turns = 0;

/** Something was asked for: the next turns are short naps, since it may take several to hand work to the GPU. */
export function wake(): void {
  turns = 0;
}

/**
 * Puts the JavaScript thread to sleep each time the event loop turns: while a promise of the GPU is pending, Dawn's Node
 * bindings turn it without a pause, which costs an adapter in software one of its cores (engine/queue.ts#quiet is our own
 * wait, with the same naps). Nothing here keeps the process alive.
 */
function rest(): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const nap = () => {
    Atomics.wait(sleeper, 0, 0, turns++ < 4 ? 0.2 : 1);
    setImmediate(nap).unref();
  };
  setImmediate(nap).unref();
}

/** The folder bench/peers, from here or from the bundle. */
export function peersFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "bench", "peers", "package.json"))) return join(folder, "bench", "peers");
    if (folder === dirname(folder)) throw new Error("bench/peers/package.json is not above this program.");
  }
}

/** A package was not installed. */
export class NotInstalled extends Error {}

/** A file of a package in bench/peers/node_modules, which the compiler does not know: T says what of it is used. */
export async function loadPeer<T>(name: string, file: string): Promise<{ module: T; version: string }> {
  const folder = join(peersFolder(), "node_modules", name);
  if (!existsSync(folder)) throw new NotInstalled(`${name} is not installed`);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const path = join(folder, file);
  const module = /\.mjs$/.test(file) ? ((await import(pathToFileURL(path).href)) as T) : loadCommon<T>(path);
  return { module, version };
}

const loadCommon = <T>(path: string): T => createRequire(import.meta.url)(path) as T;
