// A kernel is a .wgsl file. This module turns its name into pipelines and its calls into dispatches.
//
//   kernel("softmax").run({ x, y }, { rows, cols }, { workgroups: rows, constants: { WORKGROUP: 64 } })
//
// Tensors and parameters are given by the names they have in the file (reflect.ts). A pipeline is made for each set of constants
// and kept; a bind group for each set of buffers.

import { type Device, device } from "./device.js";
import { AdapterError, ShapeError, UifaceError } from "./errors.js";
import { type ConstantValue, expand, type Origin } from "./expand.js";
import type { Grid } from "./queue.js";
import { type Recorder, recorder } from "./recorder.js";
import { checkNames, layoutEntries, type Params, type Signature, signatureOf, writeFields } from "./reflect.js";
import { shaderSource } from "./source.js";
import { show, type Tensor } from "./tensor.js";
import { withSizes, worthSizes } from "./tuning/sized.js";

export type { Params } from "./reflect.js";
export type Constants = Record<string, ConstantValue>;

export interface Launch {
  /** How many workgroups; without a second dimension, those past 65,535 are folded into it (see the kernel's `row`). */
  workgroups: number | readonly [number, number?, number?];
  constants?: Constants;
  /** What profiles and messages call the run, where one file holds many operations. Default: the kernel's name. */
  label?: string;
}

/** One run of a kernel, for those who watch. */
export interface KernelRun {
  kernel: string;
  /** What the profile calls it: the operation, where a file holds several. */
  label: string;
  /** By the names of the bindings. */
  tensors: Readonly<Record<string, Tensor>>;
  /** Those among them that it writes. */
  outputs: readonly Tensor[];
  grid: Grid;
  /** What the host gave: two runs that agree in these and in the grid do the same. */
  constants: Constants;
  params: Params;
}

interface Pipeline {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  groups: Map<string, GPUBindGroup>;
}

/** Groups kept for one pipeline; a run with many different sizes starts over rather than grow. */
const MAX_GROUPS = 4096;

const noSizes: ReadonlyMap<string, number> = new Map();

const kernels = new Map<string, Kernel>();

/** The kernel of `shaders/<name>.wgsl`; nothing is read or compiled before it runs. */
export function kernel(name: string): Kernel {
  const known = kernels.get(name);
  if (known) return known;
  const made = new Kernel(name);
  kernels.set(name, made);
  return made;
}

/** A launch that covers `n` elements with one thread per VECS adjacent vec4's: the form of every elementwise kernel. */
export function perElement(n: number): Launch {
  const { tuning, family } = device();
  const VECS = tuning[family].elementwise.vecs;
  return { workgroups: Math.max(1, Math.ceil(n / (4 * VECS * 64))), constants: { VECS } };
}

export class Kernel {
  private reflected: Signature | undefined;
  private pipelines = new WeakMap<Device, Map<string, Pipeline>>();

  /** @param source   in the place of the file's text: for tests of this module */
  constructor(
    readonly name: string,
    private readonly source?: string,
  ) {}

  get file(): string {
    return `shaders/${this.name}.wgsl`;
  }

  /**
   * Runs the kernel.
   *
   * @param tensors   one for each storage binding, by the name it has in the file
   * @param params    one value for each field of the file's Params, by name
   * @throws          UifaceError for wrong names; AdapterError if the adapter cannot hold a binding or the grid
   */
  run(
    tensors: Record<string, Tensor>,
    params: Params,
    { workgroups, constants = {}, label = this.name }: Launch,
  ): void {
    const dev = device();
    const { signature } = this;
    checkNames(this.file, signature, tensors, params);
    const grid = this.grid(workgroups, dev);
    if (grid[0] * grid[1] * grid[2] === 0) return;
    const made = this.pipeline(dev, constants, tensors);
    const group = this.group(dev, made, tensors);
    const at = this.writeParams(dev, params);
    if (recorder) {
      const place = this.again(recorder, dev, tensors, params, at);
      recorder.commands.push(() => dev.queue.dispatch(label, made.pipeline, group, place(), grid));
    }
    dev.queue.dispatch(label, made.pipeline, group, at, grid);
    for (const name of signature.outputs) {
      const y = tensors[name]!;
      y.madeBy ||= label;
      dev.kept.changed(y.storage.block.buffer);
    }
    if (!dev.inspect) return;
    const outputs = signature.outputs.map((name) => tensors[name]!);
    dev.inspect({ kernel: this.name, label, tensors, outputs, grid, constants, params });
  }

  /** Tells a recorder what this run touches; returns how its parameters get a place again: the same, but for those made anew. */
  private again(
    call: Recorder,
    dev: Device,
    tensors: Record<string, Tensor>,
    params: Params,
    at: number | undefined,
  ): () => number | undefined {
    for (const { name, writes } of this.signature.bindings) call.uses(tensors[name]!.storage.block, writes);
    if (at === undefined || call.isFresh(params)) return () => this.writeParams(dev, params);
    const bytes = dev.queue.paramsAt(at, this.signature.params!.bytes);
    return () => dev.queue.put(bytes);
  }

  /** The text that is compiled for a set of constants, with the origin of every line. */
  expanded(constants: Constants, dev = device()): { text: string; lines: Origin[] } {
    const spread = dev.subgroupSize === 4 ? "quadBroadcast" : "subgroupBroadcast";
    return expand(this.text(), { file: this.file, constants, spread, read: shaderSource });
  }

  /** Drops what was compiled: the next run reads the text anew. */
  forget(): void {
    this.reflected = undefined;
    this.pipelines = new WeakMap();
  }

  private text(): string {
    return this.source ?? shaderSource(`${this.name}.wgsl`);
  }

  private get signature(): Signature {
    this.reflected ??= signatureOf(expand(this.text(), { file: this.file, read: shaderSource }).text);
    return this.reflected;
  }

  private grid(workgroups: Launch["workgroups"], dev: Device): Grid {
    const most = dev.limits.maxComputeWorkgroupsPerDimension;
    const [x, y = 1, z = 1] = typeof workgroups === "number" ? [workgroups] : workgroups;
    const folded = this.signature.folds && y === 1 ? Math.max(1, Math.min(Math.ceil(x / dev.foldAfter), most)) : y;
    const grid = [folded === y ? x : Math.ceil(x / folded), folded, z] as const;
    if (grid[0] > most || grid[1] > most || grid[2] > most) {
      throw new AdapterError(
        `${this.name}: the grid (${grid.join(", ")}) is past this adapter's ${most} workgroups a dimension.`,
      );
    }
    return grid;
  }

  private pipeline(dev: Device, constants: Constants, tensors: Record<string, Tensor>): Pipeline {
    let made = this.pipelines.get(dev);
    if (!made) {
      made = new Map();
      this.pipelines.set(dev, made);
    }
    // worthSizes says the same of the kind; asked here first, because a list of sizes for every run is dear
    const sizes = dev.kind === "swiftshader" ? this.readSizes(dev, tensors, made.size) : noSizes;
    let key = "";
    for (const name in constants) key += `${name} ${constants[name]} `;
    for (const [name, bytes] of sizes) key += `${name} ${bytes} `;
    const known = made.get(key);
    if (known) return known;
    const fresh = this.compile(dev, constants, sizes);
    made.set(key, fresh);
    return fresh;
  }

  private compile(dev: Device, constants: Constants, sizes: ReadonlyMap<string, number>): Pipeline {
    const { text: unsized, lines } = this.expanded(constants, dev);
    const text = withSizes(unsized, sizes);
    if (typeof process !== "undefined" && process.env.DEBUG === "wgsl")
      console.error(`// ---- ${this.name} ${JSON.stringify(constants)}\n${text}`);
    dev.gpu.pushErrorScope("validation");
    const module = dev.gpu.createShaderModule({ label: this.name, code: text });
    const layout = dev.gpu.createBindGroupLayout({ label: this.name, entries: layoutEntries(this.signature) });
    const pipeline = dev.gpu.createComputePipeline({
      label: this.name,
      layout: dev.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
    // Messages come later than the call; the next read throws them. The compiler's has the line, WebGPU's only its own words.
    const both = Promise.all([module.getCompilationInfo(), dev.gpu.popErrorScope()]);
    dev.explain(
      both.then(([{ messages }, invalid]) => {
        const error = messages.find((m) => m.type === "error");
        if (error) return new UifaceError(compilerMessage(error, text, lines));
        return invalid ? new AdapterError(`WebGPU: ${this.file}: ${invalid.message}`) : undefined;
      }),
    );
    return { pipeline, layout, groups: new Map() };
  }

  private group(dev: Device, made: Pipeline, tensors: Record<string, Tensor>): GPUBindGroup {
    const { bindings, params } = this.signature;
    let key = "";
    for (const { name } of bindings) {
      const x = tensors[name]!.check();
      if (x.storage.device !== dev)
        throw new UifaceError(`${this.name}: ${name} ${show(x)} belongs to a device that was closed.`);
      key += `${x.storage.block.id}:${x.offset}:${x.size} `;
    }
    const known = made.groups.get(key);
    if (known) return known;
    if (made.groups.size >= MAX_GROUPS) made.groups.clear();
    const entries: GPUBindGroupEntry[] = bindings.map(({ name, slot }) => ({
      binding: slot,
      resource: {
        buffer: tensors[name]!.storage.block.buffer,
        offset: tensors[name]!.offset,
        size: this.bindingSize(dev, name, tensors[name]!),
      },
    }));
    if (params) entries.push({ binding: params.slot, resource: { buffer: dev.queue.params, size: params.bytes } });
    this.checkAliases(tensors);
    const group = dev.gpu.createBindGroup({ label: this.name, layout: made.layout, entries });
    made.groups.set(key, group);
    return group;
  }

  /** Bytes of every binding that is only read, where they are worth a pipeline of their own. */
  private readSizes(dev: Device, tensors: Record<string, Tensor>, pipelines: number): ReadonlyMap<string, number> {
    const read = this.signature.bindings.filter((b) => !b.writes);
    const sizes = new Map(read.map(({ name }) => [name, this.bindingSize(dev, name, tensors[name]!)]));
    const bytes = [...sizes.values()].reduce((a, b) => a + b, 0);
    return worthSizes(dev.kind, bytes, pipelines) ? sizes : noSizes;
  }

  /** A multiple of 64 bytes, inside the block's 256: a thread's last four vec4's may reach past the tensor, not the binding. */
  private bindingSize(dev: Device, name: string, x: Tensor): number {
    const size = Math.max(64, Math.ceil((4 * x.size) / 64) * 64);
    const limit = dev.limits.maxStorageBufferBindingSize;
    if (size > limit) {
      throw new AdapterError(`${this.name}: ${name} needs ${size.toLocaleString("en")} bytes; this adapter binds ${limit.toLocaleString("en")} at most (maxStorageBufferBindingSize).
  ${name}  ${show(x)}${x.madeBy && `   made by ${x.madeBy}`}
Use a smaller batch.`);
    }
    return Math.min(size + (dev.pool.guard?.bytes ?? 0), limit);
  }

  private checkAliases(tensors: Record<string, Tensor>): void {
    const { bindings } = this.signature;
    for (const { name, writes } of bindings) {
      if (!writes) continue;
      const twin = bindings.find((b) => !b.writes && tensors[b.name]!.storage === tensors[name]!.storage);
      if (twin)
        throw new ShapeError(`${this.name}: ${name} would be written while ${twin.name} in the same memory is read.`);
    }
  }

  /** The place of the parameters in the queue's arena; undefined for a kernel without. */
  private writeParams({ queue }: Device, values: Params): number | undefined {
    const { params } = this.signature;
    if (!params) return undefined;
    const at = queue.reserve(params.bytes);
    writeFields(params.fields, values, queue.arenaView, at);
    return at;
  }
}

/** A compiler message at the line of the checked-in file, with the line and a caret. */
function compilerMessage(message: GPUCompilationMessage, text: string, lines: Origin[]): string {
  const at = lines[message.lineNum - 1];
  const line = text.split("\n")[message.lineNum - 1] ?? "";
  const place = at ? `${at.file}:${at.line}:${message.linePos}` : "generated line";
  const margin = `${String(at?.line ?? "").padStart(5)} | `;
  return `${place}: ${message.message}\n${margin}${line}\n${" ".repeat(margin.length - 2)}| ${" ".repeat(Math.max(0, message.linePos - 1))}^`;
}
