import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { cat, slice } from "../../engine/ops/cat.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/cat.js";

checkOp(
  "cat",
  ({ a, b, c }, dim: number) => cat(c ? [a!, b!, c] : [a!, b!], dim),
  ({ a, b, c }, dim) => reference.cat(c ? [a!, b!, c] : [a!, b!], dim),
  [
    { why: "skip connection: channels, in both layouts", inputs: { a: [2, 8, 5, 5], b: [2, 4, 5, 5] }, args: 1 },
    { why: "channels enough for a thread", inputs: { a: [2, 32, 4, 4], b: [2, 16, 4, 4] }, args: 1 },
    { why: "several workgroups", inputs: { a: [2, 32, 12, 12], b: [2, 16, 12, 12] }, args: 1 },
    { why: "three parts", inputs: { a: [2, 4, 3], b: [2, 8, 3], c: [2, 4, 3] }, args: 1 },
    { why: "channels that are no multiple of 4", inputs: { a: [2, 3, 4], b: [2, 5, 4] }, args: 1 },
    {
      why: "only one part can lie channels_last, the sum cannot",
      inputs: { a: [2, 4, 3, 3], b: [2, 3, 3, 3] },
      args: 1,
    },
    { why: "items: contiguous runs", inputs: { a: [2, 4, 3, 3], b: [1, 4, 3, 3] }, args: 0 },
    { why: "rows of channels_last images", inputs: { a: [2, 4, 2, 3], b: [2, 4, 5, 3] }, args: 2 },
    { why: "the last dimension, counted from the end", inputs: { a: [70, 5], b: [70, 2] }, args: 1 },
    { why: "more items than copy commands are worth", inputs: { a: [40, 8], b: [40, 12] }, args: 1 },
  ],
);
checkOp(
  "slice",
  ({ x }, [dim, start, end]: readonly [number, number, number]) => slice(x!, dim, start, end),
  ({ x }, [dim, start, end]) => reference.slice(x!, dim, start, end),
  [
    { why: "whole groups of channels", inputs: { x: [2, 12, 3, 5] }, args: [1, 4, 12] },
    { why: "channels from the middle of a vec4", inputs: { x: [2, 12, 3, 5] }, args: [1, 3, 10] },
    { why: "items", inputs: { x: [5, 4, 3, 3] }, args: [0, 1, 3] },
    { why: "columns", inputs: { x: [70, 9] }, args: [1, 2, 7] },
    { why: "pixels of channels_last", inputs: { x: [2, 4, 5, 6] }, args: [3, 1, 4] },
  ],
);

describe("cat and slice", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("mixed layouts give channels_last", async () => {
    const values = Float32Array.from({ length: 2 * 4 * 6 }, (_, i) => i);
    const y = cat([tensor(values, [2, 4, 6]), tensor(values, [2, 4, 6], "f32", "channels_last")], 0);
    expect(y.layout).toBe("channels_last");
    expect([...(await y.read())]).toEqual([...values, ...values]);
  });

  test("integers, and a start counted from the end", async () => {
    const ids = cat([tensor([1, 2], [2], "u32"), tensor([0xffffffff], [1], "u32")], 0);
    expect([...(await slice(ids, 0, -2).read())]).toEqual([2, 0xffffffff]);
  });

  test("an empty slice and its bounds", async () => {
    const x = tensor([1, 2, 3]);
    expect(slice(x, 0, 1, 1).shape).toEqual([0]);
    expect(() => slice(x, 0, 2, 5)).toThrow("slice: [2, 5) is no part of dimension 0 of (3).");
    expect(() => cat([x, tensor([[1, 2, 3]])], 0)).toThrow("cat: (3) and (1, 3) differ outside of dimension 0.");
  });
});
