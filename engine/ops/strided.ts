// Walks through memory for kernels that read or write a tensor in another order than its own.
//
// A tensor's element (c_0, ..) lies at sum c_d stride_d. A walk visits a box of coordinates, the innermost dimension first,
// and carries one stride per dimension for each of its operands: 0 repeats an operand along that dimension.

import { ShapeError } from "../errors.js";
import { bindable, mostElements, windowOf } from "../parts.js";
import { scope } from "../scope.js";
import { kernel, perElement } from "../shader.js";
import { copyElements, type Layout, type Shape, sizeOf, type Tensor } from "../tensor.js";

const copyKernel = kernel("strided_copy");

/** Dimensions that common/strided.wgsl takes, after neighbours have been joined. */
const MAX_DIMS = 8;
/** Elements that a window may begin before what it is for. */
const ALIGNED = 64;
/** Up to this many runs, copy commands (faster than a kernel on software adapters, docs/kernels.md) pay for ending the pass. */
const MAX_RUNS = 8;

export interface Walk {
  sizes: number[];
  /** strides[k][d]: of operand k along sizes[d], in elements. */
  strides: number[][];
}

/** PyTorch's dimensions as they lie in memory, the outermost first. */
function memoryOrder(rank: number, layout: Layout): number[] {
  const order = Array.from({ length: rank }, (_, d) => d);
  if (layout === "channels_last") order.push(...order.splice(1, 1));
  return order;
}

/** For each of PyTorch's dimensions the distance between neighbours in memory. */
export function stridesOf(shape: Shape, layout: Layout): number[] {
  const strides = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (const d of memoryOrder(shape.length, layout).reverse()) {
    strides[d] = step;
    step *= shape[d]!;
  }
  return strides;
}

/** The walk over `shape` in the memory order of `layout`: dimensions of size 1 dropped, neighbours joined where all strides allow. */
export function walk(shape: Shape, layout: Layout, operands: readonly (readonly number[])[]): Walk {
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (const d of memoryOrder(shape.length, layout).reverse()) {
    if (shape[d] === 1) continue;
    const last = sizes.length - 1;
    const joins = last >= 0 && operands.every((of, k) => of[d] === strides[k]![last]! * sizes[last]!);
    if (joins) {
      sizes[last]! *= shape[d]!;
      continue;
    }
    sizes.push(shape[d]!);
    for (const [k, of] of operands.entries()) strides[k]!.push(of[d]!);
  }
  if (!sizes.length) {
    sizes.push(1);
    for (const of of strides) of.push(1);
  }
  if (sizes.length > MAX_DIMS)
    throw new ShapeError(`(${shape.join(", ")}) has more than ${MAX_DIMS} dimensions that do not join.`);
  return { sizes, strides };
}

/** A list of the walk as the two vec4u's of a kernel's Params: `name` and `name_high`. */
export function listParams(name: string, list: readonly number[], fill: number): Record<string, number[]> {
  const eight = Array.from({ length: MAX_DIMS }, (_, d) => list[d] ?? fill);
  return { [name]: eight.slice(0, 4), [`${name}_high`]: eight.slice(4) };
}

/** One side of a copy: a tensor, the element of its memory to begin at, and a stride for each dimension of the box. */
export interface Side {
  tensor: Tensor;
  first: number;
  strides: readonly number[];
}

/** Copies a box of coordinates; `order` is the layout whose memory order the walk takes (that of the side it fills). */
export function copyBox(box: Shape, order: Layout, from: Side, to: Side): void {
  const n = sizeOf(box);
  if (n === 0) return;
  const { sizes, strides } = walk(box, order, [from.strides, to.strides]);
  const [x, y] = strides as [number[], number[]];
  if (x[0] === 1 && y[0] === 1 && n <= MAX_RUNS * sizes[0]!) copyRuns({ sizes, strides }, from, to);
  else if (bindable([from.tensor, to.tensor])) copyByKernel({ sizes, strides }, from, to);
  else copyInWindows({ sizes, strides }, from, to);
}

/** The walk in halves, until what a half reaches of either side can be bound. */
function copyInWindows({ sizes, strides }: Walk, from: Side, to: Side): void {
  const [x, y] = strides as [number[], number[]];
  const lengths = sizes.map((size, d) => (size - 1) * Math.max(x[d]!, y[d]!));
  const longest = lengths.indexOf(Math.max(...lengths));
  const reaches = [x, y].map((of) => 1 + sizes.reduce((sum, size, d) => sum + (size - 1) * of[d]!, 0));
  if (sizes[longest] === 1 || reaches.every((reach) => reach + ALIGNED <= mostElements())) {
    scope(() => {
      const [near, far] = [from, to].map(({ tensor, first, strides }, k) => {
        const { view, start } = windowOf(tensor, first, reaches[k]!);
        return { tensor: view, first: start, strides };
      }) as [Side, Side];
      copyByKernel({ sizes, strides }, near, far);
    });
    return;
  }
  const half = Math.ceil(sizes[longest]! / 2);
  const halves = [half, sizes[longest]! - half].map((size) => sizes.map((n, d) => (d === longest ? size : n)));
  for (const [k, part] of halves.entries()) {
    const moved = (side: Side, of: number[]) => ({ ...side, first: side.first + k * half * of[longest]! });
    copyInWindows({ sizes: part, strides }, moved(from, x), moved(to, y));
  }
}

function copyByKernel({ sizes, strides }: Walk, from: Side, to: Side): void {
  const [x, y] = strides as [number[], number[]];
  const n = sizeOf(sizes);
  const whole =
    x[0] === 1 &&
    y[0] === 1 &&
    [sizes[0]!, from.first, to.first, ...x.slice(1), ...y.slice(1)].every((v) => v % 4 === 0);
  const word = whole ? 4 : 1;
  const inWords = (list: number[]) => list.map((v, d) => (d === 0 ? v : v / word));
  const { workgroups, constants } = perElement((4 * n) / word);
  const SHARED = (sizes[0]! / word) % Number(constants?.VECS) === 0;
  copyKernel.run(
    { x: from.tensor, y: to.tensor },
    {
      n: n / word,
      x_first: from.first / word,
      y_first: to.first / word,
      ...listParams("sizes", [sizes[0]! / word, ...sizes.slice(1)], 1),
      ...listParams("x", inWords(x), 0),
      ...listParams("y", inWords(y), 0),
    },
    { workgroups, constants: { ...constants, SHARED, DIMS: sizes.length, T: whole ? "vec4u" : "u32" } },
  );
}

/** The same by copy commands, one for each contiguous run. */
function copyRuns({ sizes, strides }: Walk, from: Side, to: Side): void {
  const [x, y] = strides as [number[], number[]];
  const runs = sizeOf(sizes.slice(1));
  for (let run = 0; run < runs; run++) {
    let rest = run;
    let at = from.first;
    let into = to.first;
    for (let d = 1; d < sizes.length; d++) {
      const c = rest % sizes[d]!;
      rest = (rest - c) / sizes[d]!;
      at += c * x[d]!;
      into += c * y[d]!;
    }
    copyElements(from.tensor, to.tensor, { from: at, to: into, count: sizes[0]! });
  }
}
