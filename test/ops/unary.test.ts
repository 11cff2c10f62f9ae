import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import * as ops from "../../engine/ops/unary.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { checkOp, compare, WHOLE } from "../check-op.js";
import type { Array64 } from "../reference/array.js";
import * as reference from "../reference/unary.js";

/** One checkOp for a function of x alone. */
function check(
  name: string,
  op: (x: Tensor) => Tensor,
  twin: (x: Array64) => Array64,
  cases: {
    why: string;
    shape?: readonly number[];
    range?: readonly [number, number];
    allowed?: number;
    allowedGrad?: number;
  }[],
): void {
  checkOp(
    name,
    ({ x }) => op(x!),
    ({ x }) => twin(x!),
    cases.map(({ why, shape = [1000], range = [-3, 3], ...bounds }) => ({
      why,
      inputs: { x: { shape, range } },
      ...bounds,
    })),
  );
}

check(
  "affine",
  (x) => ops.affine(x, -2.5, 0.75),
  (x) => reference.affine(x, -2.5, 0.75),
  [
    { why: "channels_last stays; sizes end inside a vec4", shape: [3, 4, 3, 3] },
    { why: "one element", shape: [1] },
    { why: "several workgroups, an odd size", shape: [4097] },
    { why: "several workgroups, to a multiple of 64 bytes", shape: [WHOLE] },
  ],
);
check("exp", ops.exp, reference.exp, [
  { why: "both signs", range: [-5, 3] },
  { why: "large arguments of a softmax", range: [60, 80], allowed: 2e-5 },
]);
check("log", ops.log, reference.log, [
  { why: "around 1, where the result changes sign", range: [0.2, 3] },
  { why: "small and large arguments", range: [1e-3, 1e4], allowedGrad: 1e-4 },
]);
check("sqrt", ops.sqrt, reference.sqrt, [{ why: "positive", range: [0.1, 40] }]);
check("rsqrt", ops.rsqrt, reference.rsqrt, [{ why: "positive", range: [0.1, 40] }]);
check("square", ops.square, reference.square, [{ why: "both signs" }]);
check("abs", ops.abs, reference.abs, [{ why: "both signs" }]);
check("neg", ops.neg, (x) => reference.affine(x, -1), [{ why: "both signs" }]);
check(
  "addScalar",
  (x) => ops.addScalar(x, 3),
  (x) => reference.affine(x, 1, 3),
  [{ why: "both signs" }],
);
check(
  "mulScalar",
  (x) => ops.mulScalar(x, 0.1),
  (x) => reference.affine(x, 0.1),
  [{ why: "both signs" }],
);
check(
  "clamp",
  (x) => ops.clamp(x, -1, 0.5),
  (x) => reference.clamp(x, -1, 0.5),
  [{ why: "below, inside and above" }],
);
check("sin", ops.sin, reference.sin, [
  { why: "the first turn, to 1e-6", range: [-7, 7], allowed: 1e-6 },
  { why: "arguments of the time embedding, to 1e-6", range: [-1000, 1000], allowed: 1e-6 },
]);
check("cos", ops.cos, reference.cos, [
  { why: "the first turn, to 1e-6", range: [-7, 7], allowed: 1e-6 },
  { why: "arguments of the time embedding, to 1e-6", range: [-1000, 1000], allowed: 1e-6 },
]);
check("acos", ops.acos, reference.acos, [
  { why: "both polynomials and the mirror, to 1e-6", range: [-0.99, 0.99], allowed: 1e-6, allowedGrad: 1e-5 },
]);
check("tanh", ops.tanh, reference.tanh, [
  { why: "the polynomial and the exponential, to 1e-6", range: [-2, 2], allowed: 1e-6 },
]);
check("sigmoid", ops.sigmoid, reference.sigmoid, [
  { why: "both signs", range: [-8, 8] },
  { why: "exp overflows for x = -200", range: [-200, 200] },
]);
check("relu", ops.relu, reference.relu, [{ why: "both signs" }]);
check(
  "leakyRelu",
  (x) => ops.leakyRelu(x, 0.2),
  (x) => reference.leakyRelu(x, 0.2),
  [{ why: "both signs" }],
);
check("silu", ops.silu, reference.silu, [
  { why: "both signs", shape: [2, 8, 5, 5], range: [-6, 6] },
  { why: "exp overflows for x = -200", range: [-200, 200] },
]);
check("gelu", ops.gelu, reference.gelu, [
  { why: "both parts of erf, and beyond", range: [-7, 7], allowed: 1e-6 },
  { why: "negative numbers, where the tail of erf cancels", range: [-4, -1], allowed: 2e-6 },
]);
check(
  "pow 3",
  (x) => ops.pow(x, 3),
  (x) => reference.pow(x, 3),
  [{ why: "an odd power keeps the sign" }],
);
check(
  "pow 4",
  (x) => ops.pow(x, 4),
  (x) => reference.pow(x, 4),
  [{ why: "an even power drops it" }],
);
check(
  "pow -1.5",
  (x) => ops.pow(x, -1.5),
  (x) => reference.pow(x, -1.5),
  [{ why: "a broken power of positive numbers", range: [0.3, 4] }],
);

describe("unary", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  /** y and dx for a dy of ones. */
  async function both(op: (x: Tensor) => Tensor, values: number[]): Promise<number[][]> {
    const x = tensor(values).requiresGrad();
    const y = await scope(async () => {
      const y = op(x);
      backward(y, tensor(values.map(() => 1)));
      return [...(await y.read())];
    });
    return [y, [...(await x.grad!.read())]];
  }

  test("the numbers of the operations are the shader's", () => {
    const text = readFileSync(new URL("../../shaders/common/unary_ops.wgsl", import.meta.url), "utf8");
    const found = [...text.matchAll(/^const (\w+): u32 = (\d+)u;/gm)].slice(1);
    expect(found.map((m) => [m[1]!.toLowerCase(), Number(m[2])])).toEqual(ops.unaryOps.map(({ name }, i) => [name, i]));
  });

  test("gradients at the kinks are PyTorch's", async () => {
    expect((await both(ops.relu, [-1, 0, 1]))[1]).toEqual([0, 0, 1]);
    expect((await both(ops.abs, [-1, 0, 1]))[1]).toEqual([-1, 0, 1]);
    expect((await both((x) => ops.leakyRelu(x, 0.25), [-1, 0, 1]))[1]).toEqual([0.25, 0.25, 1]);
    expect((await both((x) => ops.clamp(x, -1, 1), [-2, -1, 0, 1, 2]))[1]).toEqual([0, 1, 1, 1, 0]);
  });

  test("NaN stays NaN", async () => {
    const plain = Object.values(ops).filter(
      (op): op is (x: Tensor) => Tensor => typeof op === "function" && op.length === 1,
    );
    const wanted = [Number.NaN, Number.NaN];
    expect(plain.length).toBeGreaterThan(14);
    for (const op of [...plain, (x: Tensor) => ops.clamp(x, 0, 1), (x: Tensor) => ops.pow(x, 3)]) {
      expect((await both(op, wanted))[0]).toEqual(wanted);
    }
  });

  test("a NaN of any bits stays NaN", async () => {
    const bits = Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff);
    for (const op of [ops.exp, ops.log, ops.tanh, ops.sigmoid, ops.sin, ops.cos, ops.gelu, ops.silu]) {
      const y = await scope(async () => [...(await op(tensor(new Float32Array(bits.buffer))).read())]);
      expect(y, op.name).toEqual(new Array(bits.length).fill(Number.NaN));
    }
  });

  test("infinities have their limits", async () => {
    const inf = Number.POSITIVE_INFINITY;
    expect((await both(ops.tanh, [-inf, -500, 500, inf]))[0]).toEqual([-1, -1, 1, 1]);
    expect((await both(ops.sigmoid, [-inf, inf]))[0]).toEqual([0, 1]);
    expect((await both(ops.sin, [-inf, inf]))[0]).toEqual([Number.NaN, Number.NaN]);
    expect((await both((x) => ops.pow(x, 2.5), [-2, 0]))[0]).toEqual([Number.NaN, 0]);
    expect((await both(ops.exp, [-inf, inf]))[0]).toEqual([0, inf]);
    expect((await both(ops.log, [-1, 0, 1, inf]))[0]).toEqual([Number.NaN, -inf, 0, inf]);
  });

  test("sin of small numbers keeps its relative accuracy", async () => {
    const values = [1e-6, -3e-5, 1e-30, 0.49].map(Math.fround);
    const [y] = await both(ops.sin, values);
    for (const [i, got] of y!.entries()) expect(Math.abs(got / Math.sin(values[i]!) - 1)).toBeLessThan(2e-7);
  });

  test("sin where neighbouring floats are turns apart", async () => {
    const values = [1e6, -3.3e7, 1e9, 1e17, 2.5e20, 4e26, 2e36, -3e38].map(Math.fround); // each word of 2 / pi counts once
    compare("sin", (await both(ops.sin, values))[0]!, values.map(Math.sin), 1e-6);
  });

  test("sin and cos on both sides of the first octant", async () => {
    const values = Array.from({ length: 400 }, (_, k) => Math.fround((k - 200) / 125));
    compare("sin", (await both(ops.sin, values))[0]!, values.map(Math.sin), 1.5e-7);
    compare("cos", (await both(ops.cos, values))[0]!, values.map(Math.cos), 1.5e-7);
  });

  test("sin and cos beside every zero and extreme up to 1000", async () => {
    const values = Array.from({ length: 1300 }, (_, k) => Math.fround((k - 650) * (Math.PI / 2)));
    compare("sin", (await both(ops.sin, values))[0]!, values.map(Math.sin), 5e-7);
    compare("cos", (await both(ops.cos, values))[0]!, values.map(Math.cos), 5e-7);
  });

  test("an integer tensor is refused", () => {
    expect(() => ops.exp(tensor([1, 2], [2], "u32"))).toThrow("exp: x is (2) u32, but must be f32.");
  });
});
