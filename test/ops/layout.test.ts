import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import * as ops from "../../engine/ops/layout.js";
import { affine } from "../../engine/ops/unary.js";
import { kernel } from "../../engine/shader.js";
import { empty, tensor } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import { map } from "../reference/array.js";
import * as reference from "../reference/layout.js";

const twice = 2; // an op before and after, so that aliases have a place on the tape to keep

checkOp(
  "reshape",
  ({ x }, shape: readonly number[]) => affine(ops.reshape(affine(x!, twice), shape), twice),
  ({ x }, shape) => map(reference.reshape(x!, shape), (v) => 4 * v),
  [
    { why: "rows joined", inputs: { x: [3, 4, 5] }, args: [12, 5] },
    { why: "pixels of channels_last joined: an alias", inputs: { x: [2, 8, 3, 5] }, args: [2, 8, 15] },
    { why: "pixels of channels_last split", inputs: { x: [2, 8, 15] }, args: [2, 8, 3, 5] },
    { why: "channels_last flattened: a copy", inputs: { x: [2, 4, 3, 3] }, args: [2, -1] },
    { why: "one pixel: the same memory", inputs: { x: [3, 8, 1, 1] }, args: [3, 8] },
    { why: "channels split into heads", inputs: { x: [2, 8, 6] }, args: [4, 4, 6] },
    { why: "one size left open", inputs: { x: [6, 4] }, args: [-1, 8] },
    { why: "the same shape", inputs: { x: [6, 4] }, args: [6, 4] },
  ],
);
checkOp(
  "permute",
  ({ x }, dims: readonly number[]) => affine(ops.permute(affine(x!, twice), dims), twice),
  ({ x }, dims) => map(reference.permute(x!, dims), (v) => 4 * v),
  [
    { why: "a matrix transposed", inputs: { x: [5, 7] }, args: [1, 0] },
    { why: "(B, C, L) to (B, L, C): an alias where C lies last", inputs: { x: [2, 8, 6] }, args: [0, 2, 1] },
    { why: "images to rows of channels", inputs: { x: [2, 4, 3, 5] }, args: [0, 2, 3, 1] },
    { why: "rows of channels to images: may become channels_last", inputs: { x: [2, 3, 5, 4] }, args: [0, 3, 1, 2] },
    { why: "whole rows moved, four words at a time", inputs: { x: [3, 5, 8] }, args: [1, 0, 2] },
    { why: "columns of a size that fills threads", inputs: { x: [3, 16, 5] }, args: [0, 2, 1] },
    { why: "everything reversed, five dimensions", inputs: { x: [2, 4, 3, 2, 5] }, args: [4, 3, 2, 1, 0] },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [35, 48] }, args: [1, 0] },
    { why: "... of columns that fill threads", inputs: { x: [48, 36] }, args: [1, 0] },
    { why: "only sizes of 1 move", inputs: { x: [1, 6, 1, 4] }, args: [2, 1, 0, 3] },
  ],
);
checkOp(
  "transpose",
  ({ x }) => ops.transpose(x!),
  ({ x }) => reference.permute(x!, [0, 2, 1]),
  [{ why: "the last two of three", inputs: { x: [3, 4, 70] } }],
);
checkOp(
  "contiguous",
  ({ x }) => ops.contiguous(affine(x!, twice)),
  ({ x }) => map(x!, (v) => 2 * v),
  [{ why: "from both layouts", inputs: { x: [2, 4, 3, 5] } }],
);
checkOp(
  "channelsLast",
  ({ x }) => ops.channelsLast(affine(x!, twice)),
  ({ x }) => map(x!, (v) => 2 * v),
  [
    { why: "from both layouts", inputs: { x: [2, 4, 3, 5] } },
    { why: "one pixel: an alias", inputs: { x: [2, 4, 1, 1] } },
  ],
);

describe("layout", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("what keeps the memory order makes no kernel run", () => {
    const x = tensor(new Float32Array(2 * 8 * 6), [2, 8, 2, 3], "f32", "channels_last");
    const before = dev.queue.dispatches;
    const rows = ops.permute(ops.reshape(x, [2, 8, 6]), [0, 2, 1]);
    expect([rows.layout, rows.shape]).toEqual(["plain", [2, 6, 8]]);
    const back = ops.permute(rows, [0, 2, 1]);
    expect([back.layout, back.storage]).toEqual(["channels_last", x.storage]);
    expect(dev.queue.dispatches).toBe(before);
  });

  test("integers move unchanged", async () => {
    const x = tensor([1, 2, 3, 0xffffffff, 0x7f800001, 6], [2, 3], "u32");
    expect([...(await ops.permute(x, [1, 0]).read())]).toEqual([1, 0xffffffff, 2, 0x7f800001, 3, 6]);
  });

  test("more items than the third grid dimension holds are looped over", async () => {
    const [batch, rows, cols] = [16, 3, 65]; // one column more than a workgroup has
    const x = tensor(
      Float32Array.from({ length: batch * rows * cols }, (_, i) => i),
      [batch, rows, cols],
    );
    const y = empty([batch, cols, rows]);
    kernel("transpose").run({ x, y }, { rows, cols, batch }, { workgroups: [2, 1, 6] });
    expect(await y.read()).toEqual(await ops.transpose(x).read());
    expect((await y.read()).subarray(0, 4)).toEqual(Float32Array.of(0, cols, 2 * cols, 1));
  });

  test("a conversion outside of every scope leaves nothing behind", () => {
    const x = tensor(new Float32Array(24), [1, 4, 6], "f32", "channels_last");
    const before = dev.pool.liveBytes;
    ops.reshape(x, [24]).dispose();
    expect(dev.pool.liveBytes).toBe(before);
  });

  test("wrong sizes and orders are refused", () => {
    const x = tensor(new Float32Array(6), [2, 3]);
    expect(() => ops.reshape(x, [4, -1])).toThrow("reshape: (2, 3) has 6 elements and cannot become (4, -1).");
    expect(() => ops.permute(x, [0, 0])).toThrow("permute: (0, 0) does not order the dimensions of (2, 3).");
  });
});
