// Tensors longer than the adapter can bind, in parts: each part is a view of some of the tensors' items, and one dispatch.
//
//   inParts({ x, y }, (part, count) => kernel.run(part, { items: count }, ...))          as one, where all fit
//
// A binding begins at a multiple of 256 bytes (the largest alignment that WebGPU lets an adapter ask for), so a part holds a
// number of items that ends there. An item that is longer than a binding by itself stays whole: the kernel refuses it by name.

import { device } from "./device.js";
import { scope } from "./scope.js";
import { type Constants, type Kernel, type Params, perElement } from "./shader.js";
import { Tensor } from "./tensor.js";

const ALIGNMENT = 256;

/** Whether a kernel can bind each of these whole. */
export function bindable(tensors: Iterable<{ size: number }>): boolean {
  const most = mostElements();
  for (const x of tensors) if (x.size > most) return false;
  return true;
}

/** Elements that one binding holds; kernels bind multiples of 64 bytes. */
export const mostElements = (): number => 16 * Math.floor(device().limits.maxStorageBufferBindingSize / 64);

/**
 * Runs `run` once with all tensors, or, if one is too long to bind, for a run of items after the other with views of them.
 *
 * @param whole   tensors with the same number of items, which is their first dimension
 */
export function inParts<K extends string>(
  whole: Record<K, Tensor>,
  run: (part: Record<K, Tensor>, count: number, first: number) => void,
): void {
  const tensors = Object.values<Tensor>(whole);
  const items = tensors[0]!.shape[0] ?? 1;
  const most = bindable(tensors) ? items : itemsThatFit(tensors, items);
  if (most >= items || most < 1) {
    run(whole, items, 0);
    return;
  }
  for (let first = 0; first < items; first += most) {
    const count = Math.min(most, items - first);
    scope(() => {
      const part = mapped(whole, (x) => itemsOf(x, first, count));
      run(part, count, first);
      for (const name in whole) whole[name].madeBy ||= part[name].madeBy;
    });
  }
}

/** Runs a kernel in which element i of all tensors belong together; its params are `n`, the number of them, and `params`. */
export function runElements(
  kernel: Kernel,
  tensors: Record<string, Tensor>,
  params: Params = {},
  constants: Constants = {},
  label = kernel.name,
): void {
  const run = (part: Record<string, Tensor>, n: number) => {
    const launch = perElement(n);
    kernel.run(part, { n, ...params }, { ...launch, constants: { ...launch.constants, ...constants }, label });
  };
  const all = Object.values(tensors);
  if (bindable(all)) run(tensors, all[0]!.size);
  else scope(() => inParts(mapped(tensors, flat), run));
}

/** Every element an item. */
export const flat = (x: Tensor): Tensor => x.alias([x.size], "plain");

/** Elements from .. from + length - 1 of x's memory, as a view that begins at most 63 elements before them, at `start` in it. */
export function windowOf(x: Tensor, from: number, length: number): { view: Tensor; start: number } {
  const start = (x.offset / 4 + from) % (ALIGNMENT / 4);
  return { view: viewOf(x, [start + length], "plain", from - start), start };
}

function itemsThatFit(tensors: readonly Tensor[], items: number): number {
  const lengths = tensors.map((x) => x.size / items);
  const step = Math.max(...lengths.map((length) => ALIGNMENT / greatestDivisor(4 * length, ALIGNMENT)));
  const most = Math.min(...lengths.map((length) => Math.floor(mostElements() / length)));
  return step * Math.floor(most / step);
}

const greatestDivisor = (a: number, b: number): number => (b ? greatestDivisor(b, a % b) : a);

const itemsOf = (x: Tensor, first: number, count: number): Tensor =>
  viewOf(x, [count, ...x.shape.slice(1)], x.layout, (first * x.size) / x.dim(0));

/** A view of x's memory from element `from` on; a kernel binds it if that is a multiple of 64. */
export function viewOf(x: Tensor, shape: readonly number[], layout: Tensor["layout"], from: number): Tensor {
  x.check();
  return new Tensor(x.storage.retain(), shape, x.dtype, layout, x.offset + 4 * from);
}

function mapped<K extends string>(all: Record<K, Tensor>, make: (x: Tensor) => Tensor): Record<K, Tensor> {
  return Object.fromEntries(Object.entries<Tensor>(all).map(([name, x]) => [name, make(x)])) as Record<K, Tensor>;
}
