// What a kernel's text says about itself (found by wgsl_reflect): its bindings and the fields of its Params, by name, so that the
// host calls both as the file does. A wrong or missing name throws with the list of the right ones.

import { ResourceType, WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";
import { UifaceError } from "./errors.js";

/** Values of a kernel's parameters, by the name of the field; vectors as lists. */
export type Params = Record<string, number | readonly number[]>;

/** A storage buffer. */
export interface Binding {
  name: string;
  slot: number;
  writes: boolean;
}

interface Field {
  name: string;
  /** In bytes from the start of the struct. */
  offset: number;
  scalar: string;
  /** How many scalars it holds: 1, or those of a vector. */
  count: number;
}

export interface Signature {
  bindings: readonly Binding[];
  /** Names of those that are written. */
  outputs: readonly string[];
  /** The uniform buffer; undefined in a kernel without parameters. */
  params: { slot: number; bytes: number; fields: readonly Field[] } | undefined;
  /** The kernel finds its place from the grid's width, so workgroups past the limit of x may fold into y. */
  folds: boolean;
}

/** @param text   with its imports; constants and unrolled loops change none of this */
export function signatureOf(text: string): Signature {
  const found = new WgslReflect(text);
  const bindings = found.storage
    .filter((v) => v.group === 0 && v.resourceType === ResourceType.Storage)
    .map((v) => ({ name: v.name, slot: v.binding, writes: v.access !== "read" }));
  const uniform = found.uniforms.find((v) => v.group === 0);
  const struct = found.structs.find((s) => s.name === uniform?.type.name);
  const params = uniform &&
    struct && {
      slot: uniform.binding,
      bytes: Math.ceil(struct.size / 16) * 16,
      fields: struct.members.map(({ name, offset, type }) => fieldOf(name, offset, type.getTypeName())),
    };
  const outputs = bindings.filter((b) => b.writes).map((b) => b.name);
  return { bindings, outputs, params, folds: /\bgrid\.x\b/.test(text) };
}

/** "u32", "vec3<f32>", "vec3f": the scalar type and how many of it. */
function fieldOf(name: string, offset: number, type: string): Field {
  const parts = /^(?:vec([234])(?:<(\w+)>|([uif])))$|^([uif]32)$/.exec(type);
  if (!parts)
    throw new UifaceError(`Params.${name}: the type ${type} is not supported; use u32, i32, f32 or vectors of them.`);
  const scalar = parts[4] ?? parts[2] ?? { u: "u32", i: "i32", f: "f32" }[parts[3]!]!;
  return { name, offset, scalar, count: Number(parts[1] ?? 1) };
}

/** The signature as WebGPU wants it. */
export function layoutEntries({ bindings, params }: Signature): GPUBindGroupLayoutEntry[] {
  const visibility = GPUShaderStage.COMPUTE;
  const entries: GPUBindGroupLayoutEntry[] = bindings.map(({ slot, writes }) => ({
    binding: slot,
    visibility,
    buffer: { type: writes ? "storage" : "read-only-storage" },
  }));
  if (!params) return entries;
  const buffer = { type: "uniform", hasDynamicOffset: true, minBindingSize: params.bytes } as const;
  return [...entries, { binding: params.slot, visibility, buffer }];
}

/** @throws UifaceError unless exactly the kernel's bindings and parameters are given */
export function checkNames(file: string, { bindings, params }: Signature, tensors: object, values: Params): void {
  if (!isExactly(tensors, bindings)) throw misfit(file, "bindings", tensors, bindings);
  const fields = params?.fields ?? [];
  if (!isExactly(values, fields)) throw misfit(file, "params", values, fields);
}

type Named = readonly { readonly name: string }[];

function isExactly(given: object, wanted: Named): boolean {
  if (Object.keys(given).length !== wanted.length) return false;
  for (const { name } of wanted) if (!(name in given)) return false;
  return true;
}

function misfit(file: string, kind: string, given: object, wanted: Named): UifaceError {
  const names = wanted.map(({ name }) => name);
  const missing = names.filter((name) => !(name in given));
  const unknown = Object.keys(given).filter((name) => !names.includes(name));
  return new UifaceError(`${file}: the ${kind} do not fit.
  missing  ${missing.join(", ") || "-"}
  unknown  ${unknown.join(", ") || "-"}
The file has ${names.join(", ")}.`);
}

/** Writes the struct's fields into memory, `at` bytes from its start. */
export function writeFields(fields: readonly Field[], values: Params, memory: DataView, at: number): void {
  for (const { name, offset, scalar, count } of fields) {
    const value = values[name]!;
    for (let i = 0; i < count; i++) {
      const v = typeof value === "number" ? value : value[i]!;
      const place = at + offset + 4 * i;
      if (scalar === "f32") memory.setFloat32(place, v, true);
      else if (scalar === "i32") memory.setInt32(place, v, true);
      else memory.setUint32(place, v, true);
    }
  }
}
