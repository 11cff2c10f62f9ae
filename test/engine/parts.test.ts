// Tensors that are longer than the adapter can bind: every heavy operation gives with views of parts what it gives at once. The
// adapter's limit is lowered to a few KiB, so that small tensors are long.

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { attention, attentionFromLogits, attentionLogits } from "../../engine/ops/attention.js";
import { batchNorm } from "../../engine/ops/batch_norm.js";
import { add, mul } from "../../engine/ops/binary.js";
import { cat, slice } from "../../engine/ops/cat.js";
import { convTranspose2d } from "../../engine/ops/conv_transpose2d.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { upsampleNearest2 } from "../../engine/ops/interpolate.js";
import { channelsLast, permute, reshape } from "../../engine/ops/layout.js";
import { linear, linearChannels } from "../../engine/ops/linear.js";
import { avgPool2d, maxPool2d } from "../../engine/ops/pool.js";
import { prelu } from "../../engine/ops/prelu.js";
import { randn } from "../../engine/ops/random.js";
import { mean, sum } from "../../engine/ops/reduce.js";
import { softmax } from "../../engine/ops/softmax.js";
import { gelu, silu } from "../../engine/ops/unary.js";
import { bindable, inParts } from "../../engine/parts.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Layout, type Shape, sizeOf, type Tensor, tensor } from "../../engine/tensor.js";
import { compare } from "../check-op.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());
afterEach(() => vi.restoreAllMocks());

const limitTo = (bytes: number) =>
  vi.spyOn(dev.gpu.limits, "maxStorageBufferBindingSize", "get").mockReturnValue(bytes);

interface Case {
  why: string;
  inputs: Record<string, Shape>;
  op: (x: Record<string, Tensor>) => Tensor;
  /** Bytes that can be bound; default 8 KiB. */
  limit?: number;
  /** Of inputs with three or more dimensions; default plain. */
  layout?: Layout;
}

/** Items that end at 256 bytes can be parted anywhere, others only where so many of them do. */
const cases: Case[] = [
  { why: "one number after the other", inputs: { x: [5, 1001] }, op: ({ x }) => gelu(x!) },
  { why: "two tensors of one shape", inputs: { a: [7, 12, 9, 9], b: [7, 12, 9, 9] }, op: ({ a, b }) => mul(a!, b!) },
  { why: "repeated along the batch", inputs: { a: [70, 12, 3, 3], b: [12, 1, 1] }, op: ({ a, b }) => add(a!, b!) },
  { why: "one number for each item", inputs: { a: [130, 4, 2, 2], b: [130, 1, 1, 1] }, op: ({ a, b }) => mul(a!, b!) },
  { why: "a used tensor whose gradients add up", inputs: { x: [5, 1001] }, op: ({ x }) => add(silu(x!), x!) },
  {
    why: "images of a convolution, with a stride",
    inputs: { x: [5, 8, 8, 8], w: [16, 8, 3, 3], b: [16] },
    op: ({ x, w, b }) => conv2d(x!, w!, b, { padding: 1, stride: 2 }),
  },
  {
    why: "images of three channels, which are filled up",
    inputs: { x: [5, 3, 16, 16], w: [8, 3, 3, 3], b: [8] },
    op: ({ x, w, b }) => conv2d(x!, w!, b, { padding: 1 }),
  },
  {
    why: "images of a transposed convolution",
    inputs: { x: [5, 16, 4, 4], w: [16, 8, 4, 4], b: [8] },
    op: ({ x, w, b }) => convTranspose2d(x!, w!, b, { padding: 1, stride: 2 }),
  },
  {
    why: "pixels of a layer over the channels, more of one image than fit",
    inputs: { x: [3, 20, 12, 13], w: [36, 20], b: [36] },
    op: ({ x, w, b }) => linearChannels(x!, w!, b),
    layout: "channels_last",
  },
  { why: "rows of a layer", inputs: { x: [201, 24], w: [36, 24], b: [36] }, op: ({ x, w, b }) => linear(x!, w!, b) },
  {
    why: "items of a group normalisation, modulated",
    inputs: { x: [9, 32, 6, 6], w: [32], b: [32], modulation: [9, 64] },
    op: ({ x, w, b, modulation }) => groupNorm(x!, 8, w!, b!, { silu: true, modulation }),
    limit: 12_544,
  },
  {
    why: "the same in the other layout",
    inputs: { x: [9, 32, 6, 6], w: [32], b: [32], modulation: [9, 64] },
    op: ({ x, w, b, modulation }) => groupNorm(x!, 8, w!, b!, { silu: true, modulation }),
    limit: 12_544,
    layout: "channels_last",
  },
  {
    why: "statistics over all items",
    inputs: { x: [9, 24, 4, 4], weight: [24], bias: [24] },
    op: ({ x, weight, bias }) => {
      const [runningMean, runningVar] = [tensor(new Float32Array(24), [24]), tensor(new Float32Array(24), [24])];
      const running = { runningMean, runningVar, training: true };
      return batchNorm(x!, { weight, bias, ...running });
    },
    layout: "channels_last",
  },
  { why: "channels joined", inputs: { a: [9, 12, 6, 6], b: [9, 8, 6, 6] }, op: ({ a, b }) => cat([a!, b!], 1) },
  { why: "channels cut out", inputs: { x: [9, 12, 9, 8] }, op: ({ x }) => slice(x!, 1, 4, 12) },
  { why: "rows and columns exchanged", inputs: { x: [70, 90] }, op: ({ x }) => permute(x!, [1, 0]) },
  { why: "the other layout", inputs: { x: [9, 12, 8, 8] }, op: ({ x }) => reshape(channelsLast(x!), [108, 64]) },
  { why: "pixels doubled", inputs: { x: [9, 12, 4, 4] }, op: ({ x }) => upsampleNearest2(x!) },
  { why: "slopes of channels", inputs: { x: [9, 12, 8, 8], w: [12] }, op: ({ x, w }) => prelu(x!, w!) },
  { why: "windows of images", inputs: { x: [9, 12, 8, 8] }, op: ({ x }) => maxPool2d(x!, { kernel: 2, stride: 2 }) },
  { why: "means of windows", inputs: { x: [9, 12, 8, 8] }, op: ({ x }) => avgPool2d(x!, { kernel: 2, stride: 2 }) },
  { why: "a sum over everything", inputs: { x: [9, 12, 8, 8] }, op: ({ x }) => sum(x!) },
  { why: "means of items", inputs: { x: [130, 12, 4, 4] }, op: ({ x }) => mean(x!, [1, 2, 3]), limit: 49_152 },
  { why: "rows of a softmax", inputs: { x: [70, 96] }, op: ({ x }) => softmax(x!) },
  {
    why: "queries, keys and logits of attention",
    inputs: { q: [5, 24, 40], k: [5, 24, 33], v: [5, 24, 33] },
    op: ({ q, k, v }) => attention(q!, k!, v!, { heads: 2, scale: 0.3 }),
    limit: 12_544, // one item's logits, and no more
    layout: "channels_last",
  },
  {
    why: "logits that are given",
    inputs: { q: [5, 24, 20], k: [5, 24, 32], v: [5, 24, 32] },
    op: ({ q, k, v }) => attentionFromLogits(attentionLogits(q!, k!, { heads: 2, scale: 0.3 }), v!, 2),
  },
];

/** y and the gradients of all inputs under a random cotangent. */
async function run({ why, inputs, op, layout = "plain" }: Case): Promise<Map<string, Float32Array>> {
  const value = (name: string, shape: Shape) =>
    tensor(random(1, why, name).normals(sizeOf(shape)), shape, "f32", shape.length < 3 ? "plain" : layout);
  return scope(async () => {
    const leaves = Object.fromEntries(
      Object.entries(inputs).map(([name, shape]) => [name, value(name, shape).requiresGrad(name)]),
    );
    const y = op(leaves);
    backward(y, value("dy", y.shape));
    const found = new Map([["y", (await y.read()) as Float32Array]]);
    for (const [name, x] of Object.entries(leaves)) {
      found.set(`d${name}`, (await x.grad!.read()) as Float32Array);
      x.grad!.dispose();
      x.dispose();
    }
    return found;
  });
}

describe.each(["broadcast", "tiled"] as const)("%s", (family) => {
  test.each(cases)("why: $why", async (c) => {
    if (family === "broadcast" && dev.subgroupSize !== 4 && dev.subgroupSize !== 8) return;
    dev.family = family;
    const live = dev.pool.liveBytes;
    const before = dev.queue.dispatches;
    const whole = await run(c);
    const between = dev.queue.dispatches;
    limitTo(c.limit ?? 8192);
    const parts = await run(c);
    expect(dev.queue.dispatches - between, "more dispatches than without parts").toBeGreaterThan(between - before);
    for (const [name, want] of whole) compare(`${c.why}: ${name}`, parts.get(name)!, want, 1e-5);
    expect(dev.pool.liveBytes).toBe(live);
  });
});

test("why: random numbers do not depend on what can be bound", async () => {
  const draw = () => scope(() => randn([5000], random(3)).read());
  const whole = await draw();
  limitTo(4096);
  expect(await draw()).toEqual(whole);
});

test("why: parts begin where a binding may, 256 bytes, and leave no item out", () => {
  limitTo(4096);
  scope(() => {
    const [x, y] = [tensor(new Float32Array(100 * 12), [100, 12]), tensor(new Float32Array(100 * 3), [100, 3])];
    const seen: number[] = [];
    inParts({ x, y }, (part, count, first) => {
      expect([part.x.offset % 256, part.y.offset % 256]).toEqual([0, 0]);
      expect([part.x.shape, part.y.shape]).toEqual([
        [count, 12],
        [count, 3],
      ]);
      expect(bindable([part.x, part.y])).toBe(true);
      seen.push(first, count);
    });
    expect(seen).toEqual([0, 64, 64, 36]);
  });
});

test("why: one item longer than a binding cannot be cut, and the message has both numbers", () => {
  limitTo(1024);
  scope(() => {
    const x = tensor(new Float32Array(2 * 8 * 100), [2, 8, 10, 10]);
    expect(() => upsampleNearest2(x)).toThrow(/needs 6,400 bytes; this adapter binds 1,024 at most/);
  });
});

test("why: a small adapter can be tried on a large one", async () => {
  const small = await openDevice({ bindingBytes: 2 ** 27 });
  expect(small.limits.maxStorageBufferBindingSize).toBe(2 ** 27);
  expect(small.limits.maxComputeWorkgroupsPerDimension).toBe(65_535);
  small.close();
});
