import { afterEach, expect, test, vi } from "vitest";
import { conv3x3 } from "../../bench/conv3x3.js";
import { type Device, openDevice } from "../../engine/device.js";
import { convTranspose2d } from "../../engine/ops/conv_transpose2d.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { type Form, formOf } from "../../engine/ops/convolution.js";
import type { Conv } from "../../engine/ops/gemm_plan.js";
import type { WinogradTile } from "../../engine/ops/winograd.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, compare, type OpCase } from "../check-op.js";
import { array } from "../reference/array.js";
import { convTranspose2d as transposedTwin } from "../reference/conv_transpose2d.js";
import * as reference from "../reference/conv2d.js";

const padding = 1;

/** For both tiles: 2 divides a side, 4 does not, or neither. */
const cases: OpCase<reference.ConvArgs>[] = [
  { why: "one whole tile", inputs: { x: [1, 4, 4, 4], w: [4, 4, 3, 3], bias: [4] }, args: { padding } },
  { why: "tiles past the edge", inputs: { x: [2, 8, 7, 5], w: [12, 8, 3, 3], bias: [12] }, args: { padding } },
  { why: "one pixel", inputs: { x: [1, 4, 1, 1], w: [4, 4, 3, 3], bias: [4] }, args: { padding } },
  { why: "one row of pixels", inputs: { x: [1, 4, 1, 11], w: [8, 4, 3, 3] }, args: { padding } },
  { why: "no padding", inputs: { x: [1, 4, 9, 6], w: [4, 4, 3, 3], bias: [4] } },
  { why: "no padding, one output", inputs: { x: [2, 4, 3, 3], w: [8, 4, 3, 3] } },
  { why: "padding of one side alone", inputs: { x: [1, 4, 6, 7], w: [4, 4, 3, 3] }, args: { padding: [0, 2, 1, 0] } },
  { why: "more padding than taps", inputs: { x: [1, 4, 3, 5], w: [4, 4, 3, 3] }, args: { padding: [3, 4, 3, 2] } },
  { why: "5 channels in, 6 out", inputs: { x: [2, 5, 6, 7], w: [6, 5, 3, 3], bias: [6] }, args: { padding } },
  { why: "more tiles than a workgroup has columns", inputs: { x: [3, 4, 18, 22], w: [4, 4, 3, 3] }, args: { padding } },
  {
    why: "more channels than a workgroup has rows",
    inputs: { x: [1, 36, 8, 8], w: [68, 36, 3, 3], bias: [68] },
    args: { padding },
  },
];

/** Of the largest value: what winograd_output.wgsl states. */
const bounds: Record<WinogradTile, number> = { 2: 4e-6, 4: 1e-5 };

for (const form of [2, 4] as const) {
  checkOp<reference.ConvArgs>(
    `winograd, F(${form})`,
    ({ x, w, bias }, args) => conv2d(x!, w!, bias, { ...args, form }),
    ({ x, w, bias }, args) => reference.conv2d(x!, w!, bias, args),
    cases.map((c) => ({ ...c, allowed: bounds[form] })),
  );
  checkOp<reference.ConvArgs>(
    `winograd, F(${form}), transposed`,
    ({ x, w, bias }, args) => convTranspose2d(x!, w!, bias, { ...args, form }),
    ({ x, w, bias }, args) => transposedTwin(x!, w!, bias, args),
    [
      {
        why: "tiles past the edge",
        inputs: { x: [2, 8, 7, 5], w: [8, 12, 3, 3], bias: [12] },
        args: { padding },
        allowed: bounds[form],
      },
    ],
  );
}

let dev: Device | undefined;
afterEach(() => {
  vi.restoreAllMocks();
  dev?.close();
});

const uniform = (key: string, n: number) => Float32Array.from(random(5, key).uniforms(n), (u) => 2 * u - 1);

/** Output and gradients, under the same random cotangent whatever the form. */
async function passes(form: Form, [B, I, O, side]: [number, number, number, number]) {
  const shapes = { x: [B, I, side, side], w: [O, I, 3, 3] };
  const make = (name: "x" | "w") =>
    tensor(
      uniform(
        name,
        shapes[name].reduce((a, b) => a * b),
      ),
      shapes[name],
    );
  return scope(async () => {
    const [x, w] = [make("x").requiresGrad("x"), make("w").requiresGrad("w")];
    const y = conv2d(x, w, undefined, { padding, form });
    backward(y, tensor(uniform("dy", y.size), y.shape));
    const out = { y: await y.read(), dx: await x.grad!.read(), dw: await w.grad!.read() };
    for (const t of [x.grad!, w.grad!, x, w]) t.dispose();
    return out;
  });
}

test("the errors that winograd_output.wgsl states hold for many channels", async () => {
  dev = await openDevice({ poison: true });
  const size: [number, number, number, number] = [1, 256, 8, 8];
  const [B, I, O, side] = size;
  const [x, w] = [uniform("x", B * I * side * side), uniform("w", O * I * 9)];
  const want = reference.conv2d(
    array([B, I, side, side], (i) => x[i]!),
    array([O, I, 3, 3], (i) => w[i]!),
    undefined,
    { padding },
  );
  for (const form of [2, 4] as const) {
    compare(`F(${form})`, (await passes(form, size)).y, want.data, bounds[form]);
  }
});

test("tiles in several chunks give what they give at once", async () => {
  dev = await openDevice({ poison: true });
  for (const form of [2, 4] as const) {
    const size: [number, number, number, number] = [3, 8, 4, 13];
    const whole = await passes(form, size);
    vi.spyOn(dev.gpu.limits, "maxStorageBufferBindingSize", "get").mockReturnValue(16_640); // x has 16,224 bytes
    const inChunks = await passes(form, size);
    vi.restoreAllMocks();
    expect(inChunks.y).toEqual(whole.y);
    expect(inChunks.dx).toEqual(whole.dx);
    compare(`F(${form}): dw`, inChunks.dw, whole.dw, 1e-6); // the sum over chunks has another order
  }
});

test("a weight that was changed in place counts at once", async () => {
  dev = await openDevice({ poison: true });
  await scope(async () => {
    const x = tensor(uniform("x", 4 * 36), [1, 4, 6, 6]);
    const w = tensor(uniform("w", 4 * 36), [4, 4, 3, 3]);
    const run = async () => (await conv2d(x, w, undefined, { padding, form: 4 }).read()) as Float32Array;
    const before = await run();
    dev!.queue.write(
      w.storage.block.buffer,
      w.offset,
      uniform("w", 4 * 36).map((v) => 2 * v),
    ); // what an optimiser does
    compare(
      "twice the weight",
      await run(),
      before.map((v) => 2 * v),
      1e-6,
    );
  });
});

test("a precision that does not exist is refused before a device is made", async () => {
  const before = process.env.UIFACE_PRECISION;
  process.env.UIFACE_PRECISION = "exakt";
  await expect(openDevice()).rejects.toThrow('UIFACE_PRECISION is "exakt", but can only be exact or fast.');
  if (before === undefined) delete process.env.UIFACE_PRECISION;
  else process.env.UIFACE_PRECISION = before;
});

test("the form follows from family, precision and sizes", async () => {
  const large = conv3x3(8, 192, 192, 16);
  const forms = (g: Conv) => (["slide", "spread", "correlate"] as const).map((pass) => formOf(g, pass));
  const direct = ["direct", "direct", "direct"];

  dev = await openDevice({ precision: "exact" });
  dev.family = "broadcast";
  expect(forms(large), "exact").toEqual(direct);
  dev.close();

  dev = await openDevice({ precision: "fast" });
  dev.family = "tiled";
  expect(forms(large), "a GPU's kernels").toEqual(direct);
  if (dev.subgroupSize !== 4 && dev.subgroupSize !== 8) return;
  dev.family = "broadcast";
  expect(forms(large)).toEqual([4, 4, 4]);
  expect(forms({ ...large, small: [8, 8], stride: [2, 2] }), "a stride").toEqual(direct);
  expect(forms({ ...large, kernel: [1, 1], pad: [0, 0] }), "another kernel").toEqual(direct);
  if (dev.subgroupSize === 8)
    expect(forms(conv3x3(32, 4, 16, 64)), "channels so few that the transforms cost more").toEqual(direct);
  expect(forms(conv3x3(1, 768, 768, 4)), "tiles so few that the weights' transform costs more").toEqual(direct);
  const resting = noGrad(() => formOf(conv3x3(1, 768, 768, 4), "slide"));
  if (dev.subgroupSize === 8) expect(resting, "but not for weights that rest").toBe(2);
  vi.spyOn(dev.gpu.limits, "maxStorageBufferBindingSize", "get").mockReturnValue(4 * 25 * 192 ** 2);
  expect(forms(large), "F(4)'s weights are too long to bind").toEqual([2, 2, 2]);
});
