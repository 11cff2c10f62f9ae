import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { dropout } from "../../engine/ops/dropout.js";
import { random, uniformArray } from "../../engine/random.js";
import "../../engine/methods.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, WHOLE } from "../check-op.js";
import * as reference from "../reference/dropout.js";

const rng = () => random(7, "dropout");

// The mask belongs to places in memory, which the twin knows for plain tensors only.
checkOp(
  "dropout",
  ({ x }, p: number) => dropout(x!, p, rng()),
  ({ x }, p) => reference.dropout(x!, p, rng().key()),
  [
    { why: "the gradient has the mask of the forward pass", inputs: { x: [3, 401] }, args: 0.3 },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [WHOLE] }, args: 0.5 },
    { why: "a number that is p itself is kept", inputs: { x: [33] }, args: uniformArray(rng().key(), 33)[5]! },
    { why: "p = 0 keeps everything", inputs: { x: [33] }, args: 0 },
    { why: "nearly everything goes", inputs: { x: [1000] }, args: 0.9 },
  ],
  { layouts: false },
);

describe("dropout", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("keeps a share of 1 - p and the mean", async () => {
    const n = 100_000;
    const y = await dropout(tensor(new Float32Array(n).fill(1)), 0.1, rng()).read();
    const kept = y.filter((v) => v !== 0);
    expect(Math.abs(kept.length / n - 0.9)).toBeLessThan(0.004); // four standard deviations
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.9)]));
  });

  test("one stream gives each call a mask of its own", async () => {
    const stream = rng();
    const x = tensor(new Float32Array(100).fill(1));
    const [first, second, again] = [dropout(x, 0.5, stream), dropout(x, 0.5, stream), dropout(x, 0.5, rng())];
    expect(await first.read()).toEqual(await again.read());
    expect(await first.read()).not.toEqual(await second.read());
  });

  test("in channels_last the gradient has the same mask too", async () => {
    const x = tensor(new Float32Array(96).fill(1), [2, 4, 12], "f32", "channels_last").requiresGrad();
    const y = dropout(x, 0.5, rng());
    y.backward(tensor(new Float32Array(96).fill(1), [2, 4, 12]));
    expect(await x.grad!.read()).toEqual(await y.read());
  });

  test("p = 1 is refused", () => {
    expect(() => dropout(tensor([1]), 1, rng())).toThrow("dropout: p is 1, but must lie in [0, 1).");
  });
});
