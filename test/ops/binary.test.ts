import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { add, binaryOps, div, mul, sub } from "../../engine/ops/binary.js";
import { kernel, perElement } from "../../engine/shader.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, WHOLE } from "../check-op.js";
import * as twin from "../reference/binary.js";

const ops = { add, sub, mul, div };
const reference = { add: twin.add, sub: twin.sub, mul: twin.mul, div: twin.div };

const shapes: { why: string; a: readonly number[]; b: readonly number[] }[] = [
  { why: "equal shapes, an odd size over several workgroups", a: [3, 1367], b: [3, 1367] },
  { why: "equal shapes over several workgroups, to a multiple of 64 bytes", a: [WHOLE], b: [WHOLE] },
  { why: "equal shapes that may lie channels_last", a: [2, 8, 3, 5], b: [2, 8, 3, 5] },
  { why: "a scale for each item and channel", a: [2, 8, 4, 4], b: [2, 8, 1, 1] },
  { why: "a scale for each item and channel, rows longer than a thread's part", a: [2, 32, 4, 8], b: [2, 32, 1, 1] },
  { why: "a scale for each item and channel, planes of odd size", a: [2, 8, 3, 3], b: [2, 8, 1, 1] },
  { why: "a bias for each channel, channels no multiple of 4", a: [2, 6, 3, 3], b: [6, 1, 1] },
  { why: "a bias for each column", a: [7, 12], b: [12] },
  { why: "a bias for each column, an odd number", a: [7, 5], b: [5] },
  { why: "a factor for each row", a: [7, 12], b: [7, 1] },
  { why: "a factor for each item of channels_last", a: [3, 4, 2, 2], b: [3, 1, 1, 1] },
  { why: "one number", a: [3, 4, 2, 2], b: [1] },
  { why: "one number on the left", a: [1], b: [5, 7] },
  { why: "both sides repeat", a: [4, 1, 3], b: [5, 1] },
  { why: "both sides repeat in turn, over six dimensions", a: [2, 1, 3, 1, 2, 1], b: [1, 3, 1, 2, 1, 4] },
  { why: "one image for all items", a: [2, 4, 3, 2], b: [1, 4, 3, 2] },
  { why: "sizes of 1 on both sides", a: [1, 1], b: [1] },
];
/** For one operation: the walk is the same for all. */
const repeats: typeof shapes = [
  { why: "rows of an odd number of vec4's, several workgroups", a: [WHOLE / 12, 12], b: [12] },
  { why: "rows that end inside a vec4, several workgroups", a: [96, 45], b: [45] },
  { why: "rows longer than a thread's part, several workgroups", a: [129, 32], b: [129, 1] },
];

for (const op of ["add", "sub", "mul"] as const) {
  checkOp(
    op,
    ({ a, b }) => ops[op](a!, b!),
    ({ a, b }) => reference[op](a!, b!),
    shapes.map(({ why, a, b }) => ({ why, inputs: { a, b } })),
  );
}
checkOp(
  "add with repeats",
  ({ a, b }) => ops.add(a!, b!),
  ({ a, b }) => reference.add(a!, b!),
  repeats.map(({ why, a, b }) => ({ why, inputs: { a, b } })),
);
checkOp(
  "div",
  ({ a, b }) => ops.div(a!, b!),
  ({ a, b }) => reference.div(a!, b!),
  shapes.map(({ why, a, b }) => ({ why, inputs: { a, b: { shape: b, range: [0.5, 2] as const } } })),
);
checkOp(
  "mul by itself",
  ({ a }) => ops.mul(a!, a!),
  ({ a }) => reference.mul(a!, a!),
  [
    { why: "both gradients arrive at one leaf", inputs: { a: [2, 4, 3, 3] } },
    { why: "... and are added up in several workgroups, to a multiple of 64 bytes", inputs: { a: [WHOLE] } },
  ],
);
checkOp(
  "mul of two layouts",
  ({ a, b }) => ops.mul(a!, ops.add(b!, b!)),
  ({ a, b }) => reference.mul(a!, reference.add(b!, b!)),
  [
    {
      why: "a vector of weights for the last dimension of a channels_last tensor",
      inputs: { a: [2, 4, 3, 8], b: [8] },
    },
  ],
);
for (const op of ["add", "sub", "mul", "div"] as const) {
  checkOp(
    `${op} a number`,
    ({ a }) => ops[op](a!, 2.5),
    ({ a }) => reference[op](a!, { shape: [1], data: Float64Array.of(2.5) }),
    [{ why: "no tensor is made for it", inputs: { a: [2, 4, 3] } }],
  );
}

describe("binary", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("an operand in channels_last makes the result so; the other is read where it lies", async () => {
    const values = Float32Array.from({ length: 2 * 4 * 6 }, (_, i) => i);
    const [plain, last] = [tensor(values, [2, 4, 6]), tensor(values, [2, 4, 6], "f32", "channels_last")];
    for (const y of [ops.add(plain, last), ops.add(last, plain)]) {
      expect(y.layout).toBe("channels_last");
      expect(await y.read()).toEqual(values.map((v) => 2 * v));
    }
  });

  test.each([3, 65_535])("add_into adds in place, with the grid folded after %i", async (foldAfter) => {
    const [x, y] = [
      tensor(Float32Array.from({ length: WHOLE }, (_, i) => i)),
      tensor(new Float32Array(WHOLE).fill(0.5)),
    ];
    const before = dev.foldAfter;
    dev.foldAfter = foldAfter;
    kernel("add_into").run({ x, y }, { n: WHOLE }, perElement(WHOLE));
    dev.foldAfter = before;
    expect(await y.read()).toEqual(Float32Array.from({ length: WHOLE }, (_, i) => i + 0.5));
  });

  test("the numbers of the operations are the shader's", () => {
    const text = readFileSync(new URL("../../shaders/binary_broadcast.wgsl", import.meta.url), "utf8");
    for (const [i, op] of binaryOps.entries()) expect(text).toContain(`const ${op.toUpperCase()}: u32 = ${i}u;`);
  });

  test("shapes that do not fit name both and the dimension", () => {
    expect(() => ops.add(tensor([1, 2, 3]), tensor([1, 2]))).toThrow(
      "add: the shapes do not broadcast: 3 and 2 in dimension 0",
    );
  });
});
