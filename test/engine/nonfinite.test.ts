import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { softmax } from "../../engine/ops/softmax.js";
import { gelu, silu } from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";

// SwiftShader gives exp(NaN) = inf and log(inf) = 88.7: a step that went wrong must not look sound on any adapter.

const [NAN, INF] = [Number.NaN, Number.POSITIVE_INFINITY];

describe.each(["own", "tiled"] as const)("%s family of kernels", (family) => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice();
    if (family === "tiled") dev.family = family;
  });
  afterAll(() => dev.close());

  /** y, and dx under a cotangent of ones. */
  async function both(op: (x: Tensor) => Tensor, values: number[], shape: number[]): Promise<[number[], number[]]> {
    return scope(async () => {
      const x = tensor(values, shape).requiresGrad("x");
      const y = op(x);
      backward(y, tensor(new Float32Array(y.size).fill(1), y.shape));
      const result: [number[], number[]] = [[...(await y.read())], [...(await x.grad!.read())]];
      x.grad!.dispose();
      x.dispose();
      return result;
    });
  }

  test.each([NAN, INF])("one %d spoils its row of softmax, as in PyTorch, and no other", async (bad) => {
    for (const cols of [5, 8]) {
      const row = Array.from({ length: cols }, (_, i) => (i === 2 ? bad : i));
      const [y] = await both(softmax, [...row, ...row.map((_, i) => i)], [2, cols]);
      expect(y.slice(0, cols)).toEqual(row.map(() => NAN));
      expect(y.slice(cols).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
  });

  test("logits of minus infinity and of -1e30 have probability 0, and cost no precision", async () => {
    const [y] = await both(softmax, [0, -INF, 1, -1e30, 0, -105, 1, -104], [2, 4]);
    const [a, b] = [1 / (1 + Math.E), Math.E / (1 + Math.E)];
    for (const first of [0, 4]) {
      expect(y[first]).toBeCloseTo(a, 6);
      expect(y[first + 2]).toBeCloseTo(b, 6);
      expect([y[first + 1], Math.abs(y[first + 3]!) < 1e-44]).toEqual([0, true]);
    }
  });

  test.each([NAN, INF])("a logit of %d spoils the loss and the gradient of its whole row", async (bad) => {
    for (const cols of [5, 3000]) {
      const row = Array.from({ length: cols }, (_, i) => (i === cols - 2 ? bad : (i % 7) - 3));
      for (const label of [0, cols - 2]) {
        const loss = (x: Tensor) => crossEntropy(x, tensor(Uint32Array.of(label), [1], "u32"), {});
        const [y, dx] = await both(loss, row, [1, cols]);
        expect(y).toEqual([NAN]);
        expect(dx.every(Number.isNaN)).toBe(true);
      }
    }
  });

  test("silu and gelu at the ends of float32", async () => {
    const values = [-3e38, -1e4, -200, -104, -89, 0, 89, 200, 1e4, 3e38, INF, NAN];
    const wanted = [0, 0, 0, 0, 0, 0, 89, 200, 1e4, Math.fround(3e38), INF, NAN];
    for (const op of [silu, gelu]) {
      const [y, dx] = await both(op, values, [values.length]);
      for (const [i, v] of y.entries()) {
        if (Number.isFinite(wanted[i])) expect(Math.abs(v - wanted[i]!), `${values[i]}`).toBeLessThan(1e-30);
        else expect(v, `${values[i]}`).toBe(wanted[i]);
      }
      expect(dx.slice(0, 5).every((v) => Math.abs(v) < 1e-30)).toBe(true);
      expect(dx.slice(6, 10)).toEqual([1, 1, 1, 1]);
      expect(dx.at(-1)).toBe(NAN);
    }
  });

  test("silu fused to a normalisation: NaN stays, large values do not overflow", async () => {
    const [channels, size] = [8, 32];
    const ones = tensor(new Float32Array(channels).fill(1));
    const norm = (bias: number) => (x: Tensor) =>
      groupNorm(x, 2, ones, tensor(new Float32Array(channels).fill(bias)), { silu: true });
    const values = Array.from({ length: size }, (_, i) => Math.sin(i));
    for (const [bias, low, high] of [
      [1e4, 9990, 10_010],
      [-1e4, -1e-30, 1e-30],
    ] as const) {
      const [y, dx] = await both(norm(bias), values, [1, channels, 2, 2]);
      expect(y.every((v) => v >= low && v <= high)).toBe(true);
      expect(dx.every(Number.isFinite)).toBe(true);
    }
    const [y, dx] = await both(norm(0), [NAN, ...values.slice(1)], [1, channels, 2, 2]);
    expect([...y.slice(0, 16), ...dx.slice(0, 16)].every(Number.isNaN)).toBe(true);
    expect([...y.slice(16), ...dx.slice(16)].every(Number.isFinite)).toBe(true);
    ones.dispose();
  });
});
