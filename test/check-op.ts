// One line tests an op: its forward against a float64 twin, its gradient against central differences of the twin.
//
//   checkOp("softmax", ({ x }) => softmax(x), ({ x }) => reference.softmax(x), [
//     { why: "a row one longer than a workgroup", inputs: { x: [3, 257] } },
//   ]);
//
// For every case, kernel family and memory layout: values, gradients under a random cotangent, the same bits twice (the second
// time with grids folded into two dimensions), live bytes equal before and after, nothing written behind a tensor. Buffers are
// full of NaN (engine/guard.ts). A failure names the worst element: index, got, want, allowed.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, type Family, openDevice } from "../engine/device.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { backward } from "../engine/tape.js";
import { type DType, type Layout, type Tensor, tensor } from "../engine/tensor.js";
import { type Array64, array, count } from "./reference/array.js";

export type Tensors = Record<string, Tensor>;
export type Arrays = Record<string, Array64>;

/** How one input is made. A bare shape means f32, uniform in the case's range, with a gradient. */
export interface InputSpec {
  shape: readonly number[];
  range?: readonly [number, number];
  dtype?: DType;
  /** Exact values instead of random ones. */
  values?: readonly number[];
  /** False: not differentiated (labels, masks). Integers never are. */
  grad?: boolean;
}

export interface OpCase<A> {
  /** The trap this case is set for. */
  why: string;
  inputs: Record<string, readonly number[] | InputSpec>;
  args?: A;
  /** Of every input without a range of its own; default [-1, 1]. */
  range?: readonly [number, number];
  /** max|got - want| / max|want|; default 1e-5, the bound for primitive operations. */
  allowed?: number;
  /** Allowed for gradients; default `allowed`. */
  allowedGrad?: number;
}

export interface CheckOptions {
  /** Elements of each input whose gradient is compared; default 24. */
  samples?: number;
  /** Step of the central difference; default 1e-5. */
  h?: number;
  families?: readonly Family[];
  /** Also with inputs of 3 or more dimensions and C % 4 == 0 in channels_last; default true. */
  layouts?: boolean;
  /** False for ops without a gradient. */
  grad?: boolean;
}

export function checkOp<A>(
  name: string,
  op: (x: Tensors, args: A) => Tensor,
  twin: (x: Arrays, args: A) => Array64,
  cases: readonly OpCase<A>[],
  options: CheckOptions = {},
): void {
  describe(name, () => {
    let dev: Device;
    beforeAll(async () => {
      dev = await openDevice({ poison: true });
    });
    afterAll(() => dev.close());

    for (const c of cases) {
      const expected = once(() => {
        const inputs = makeInputs(name, c);
        const want = twin(inputs, c.args as A);
        const cotangent = uniform(`${name} ${c.why} dy`, want.shape, [-1, 1]);
        const wantGrads = options.grad === false ? {} : differences(twin, inputs, c, cotangent, options);
        return { inputs, want, cotangent, wantGrads };
      });
      test(c.why, async () => {
        const { inputs, want, cotangent, wantGrads } = expected();
        for (const family of options.families ?? (["broadcast", "tiled"] as const)) {
          if (family === "broadcast" && dev.subgroupSize !== 4 && dev.subgroupSize !== 8) continue;
          dev.family = family;
          for (const layout of layoutsOf(c, options)) {
            const label = `${name}, ${c.why} (${family}, ${layout})`;
            const before = dev.pool.liveBytes;
            const got = await runOnce(op, inputs, c, layout, cotangent, options);
            expect(got.shape, `${label}: shape`).toEqual([...want.shape]);
            compare(`${label}: y`, got.y, want.data, c.allowed ?? 1e-5);
            for (const [key, { at, values, scale }] of Object.entries(wantGrads)) {
              const dx = got.grads[key];
              if (!dx) throw new Error(`${label}: no gradient reached ${key}`);
              expect(dx.findIndex(Number.isNaN), `${label}: an element of d${key} that no kernel wrote`).toBe(-1);
              compare(
                `${label}: d${key}`,
                at.map((i) => dx[i]!),
                values,
                c.allowedGrad ?? c.allowed ?? 1e-5,
                scale,
                at,
              );
            }
            const again = await folded(dev, () => runOnce(op, inputs, c, layout, cotangent, options));
            expect(dev.pool.liveBytes, `${label}: live bytes`).toBe(before);
            expect(again.y, `${label}: the same bits twice`).toEqual(got.y);
            for (const key of Object.keys(wantGrads))
              expect(again.grads[key], `${label}: the same bits twice, d${key}`).toEqual(got.grads[key]);
          }
        }
      });
    }
  });
}

/** `make`, called when first asked: `npm run mutants` runs a case hundreds of times. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Runs `work` with every grid of more than FOLD workgroups folded into y, as large tensors fold theirs past 65,535. */
async function folded<T>(dev: Device, work: () => Promise<T>): Promise<T> {
  const before = dev.foldAfter;
  dev.foldAfter = FOLD;
  try {
    return await work();
  } finally {
    dev.foldAfter = before;
  }
}

/**
 * Few, so that small cases fold; 3, because groups without work are what bounds are tested with: of 16 or 32 workgroups, say,
 * 2 leaves none. Every kernel should meet a case of 4 workgroups or more, that ends at a multiple of 64 bytes (WHOLE).
 */
const FOLD = 3;

/**
 * Elements of an elementwise case that ends where the fence begins (engine/guard.ts), with threads left over: three workgroups
 * of 1,024 on software adapters, nine of 256 on GPUs.
 */
export const WHOLE = 2064;
/** Rows likewise, for kernels of 16 rows a workgroup: five full ones. */
export const FULL_ROWS = 80;

/** Fails with the worst element where max|got - want| exceeds allowed * scale (default scale: max|want|). */
export function compare(
  label: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  allowed: number,
  scale = Math.max(...sampled(want).map(Math.abs), 1e-30),
  at?: readonly number[],
): void {
  expect(got.length, `${label}: number of elements`).toBe(want.length);
  let worst = -1;
  let error = allowed * scale;
  for (let i = 0; i < want.length; i++) {
    const e = Math.abs(got[i]! - want[i]!);
    if (e <= error) continue; // NaN is not, and stays the worst
    worst = i;
    error = Number.isNaN(e) ? Number.POSITIVE_INFINITY : e;
  }
  if (worst < 0) return;
  const index = at ? at[worst] : worst;
  throw new Error(
    `${label}: element ${index} is ${got[worst]}, want ${want[worst]}; off by ${(error / scale).toExponential(2)} of ${scale}, allowed ${allowed}`,
  );
}

/** The largest values, without spreading millions of arguments. */
function sampled(x: ArrayLike<number>): number[] {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]!));
  return [most];
}

const specOf = (spec: readonly number[] | InputSpec): InputSpec => ("shape" in spec ? spec : { shape: spec });
const isDifferentiable = (spec: InputSpec): boolean => (spec.dtype ?? "f32") === "f32" && spec.grad !== false;

function makeInputs<A>(name: string, c: OpCase<A>): Arrays {
  const arrays: Arrays = {};
  for (const [key, given] of Object.entries(c.inputs)) {
    const spec = specOf(given);
    const range = spec.range ?? c.range ?? [-1, 1];
    arrays[key] = spec.values
      ? array(spec.shape, (i) => spec.values![i]!)
      : uniform(`${name} ${c.why} ${key}`, spec.shape, range);
    if (spec.dtype && spec.dtype !== "f32")
      arrays[key].data.forEach((v, i, data) => {
        data[i] = Math.floor(v);
      });
  }
  return arrays;
}

/** Uniform float32 values (so that the GPU gets exactly what the twin gets). */
function uniform(key: string, shape: readonly number[], [lo, hi]: readonly [number, number]): Array64 {
  const u = random(1, key).uniforms(count(shape));
  return array(shape, (i) => Math.fround(lo + (hi - lo) * u[i]!));
}

function layoutsOf<A>(c: OpCase<A>, options: CheckOptions): Layout[] {
  if (options.layouts === false) return ["plain"];
  const fits = Object.values(c.inputs).some((s) => canBeChannelsLast(specOf(s).shape));
  return fits ? ["plain", "channels_last"] : ["plain"];
}

const canBeChannelsLast = (shape: readonly number[]) => shape.length >= 3 && shape[1]! % 4 === 0;

async function runOnce<A>(
  op: (x: Tensors, args: A) => Tensor,
  inputs: Arrays,
  c: OpCase<A>,
  layout: Layout,
  cotangent: Array64,
  options: CheckOptions,
): Promise<{ shape: readonly number[]; y: Float32Array; grads: Record<string, Float32Array> }> {
  const leaves: Tensors = {};
  for (const [key, given] of Object.entries(c.inputs)) {
    const spec = specOf(given);
    const lies = layout === "channels_last" && canBeChannelsLast(spec.shape) ? layout : "plain";
    leaves[key] = tensor(inputs[key]!.data, spec.shape, spec.dtype ?? "f32", lies);
    if (isDifferentiable(spec) && options.grad !== false) leaves[key].requiresGrad(key);
  }
  const result = await scope(async () => {
    const y = op(leaves, c.args as A);
    if (options.grad !== false) backward(y, tensor(cotangent.data, cotangent.shape));
    return { shape: y.shape, y: (await y.read()) as Float32Array };
  });
  const grads: Record<string, Float32Array> = {};
  for (const [key, leaf] of Object.entries(leaves)) {
    if (leaf.grad) grads[key] = (await leaf.grad.read()) as Float32Array;
    leaf.grad?.dispose();
    leaf.dispose();
  }
  return { ...result, grads };
}

interface Slope {
  at: number[];
  values: number[];
  scale: number;
}

/** d(sum(twin * cotangent))/dx at sampled elements of every differentiable input, by central differences in float64. */
function differences<A>(
  twin: (x: Arrays, args: A) => Array64,
  inputs: Arrays,
  c: OpCase<A>,
  cotangent: Array64,
  options: CheckOptions,
): Record<string, Slope> {
  const h = options.h ?? 1e-5;
  const loss = (): number => {
    const y = twin(inputs, c.args as A);
    let sum = 0;
    for (let i = 0; i < y.data.length; i++) sum += y.data[i]! * cotangent.data[i]!;
    return sum;
  };
  const slopes: Record<string, Slope> = {};
  for (const [key, given] of Object.entries(c.inputs)) {
    const spec = specOf(given);
    if (!isDifferentiable(spec)) continue;
    const x = inputs[key]!.data;
    const at = pick(x.length, options.samples ?? 24, key);
    const values = at.map((i) => {
      const before = x[i]!;
      x[i] = before + h;
      const up = loss();
      x[i] = before - h;
      const down = loss();
      x[i] = before;
      return (up - down) / (2 * h);
    });
    slopes[key] = { at, values, scale: Math.max(...values.map(Math.abs), 1e-6) };
  }
  return slopes;
}

/** All indices of a short array, else the first, the last and a random choice between. */
function pick(n: number, samples: number, key: string): number[] {
  if (n <= samples) return Array.from({ length: n }, (_, i) => i);
  const chosen = new Set([0, n - 1]);
  const rng = random(2, key);
  while (chosen.size < samples) chosen.add(rng.integer(0, n));
  return [...chosen];
}
