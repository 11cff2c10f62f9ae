import { afterEach, beforeEach, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { watch } from "../../engine/nan.js";
import { kernel, perElement } from "../../engine/shader.js";
import { empty, type Tensor, tensor } from "../../engine/tensor.js";

let dev: Device;
beforeEach(async () => {
  dev = await openDevice();
  watch(dev);
});
afterEach(() => dev.close());

/** a + b. The values that are not finite come from the data: compilers may fold 0 / 0 away. */
function plus(a: Tensor, b: Tensor): Tensor {
  const y = empty(a.shape);
  kernel("add").run({ a, b, y }, { n: y.size }, perElement(y.size));
  return y;
}

const MAX = 3e38;

test("finite values are no reason to stop", async () => {
  plus(tensor([1, -MAX]), tensor([2, 0]));
  await expect(dev.reportNonfinite!()).resolves.toBeUndefined();
});

test("why: the first kernel is to blame, not those that the value went through", async () => {
  const fine = plus(tensor([1, 2, 3]), tensor([1, 2, 3]));
  const bad = plus(fine, tensor([0, MAX, Number.NaN])); // call 1
  const y = tensor([1, 1, 1]);
  kernel("add_into").run({ x: bad, y }, { n: 3 }, perElement(3)); // call 2
  await expect(dev.reportNonfinite!()).rejects.toThrow(
    /^First value that is not finite: add, output element 2 of 3 \(kernel call 1\)\./,
  );
});

test("why: an overflow to infinity counts, before it becomes NaN", async () => {
  const inf = plus(tensor([MAX, 1]), tensor([MAX, 1]));
  plus(inf, tensor([Number.NEGATIVE_INFINITY, 0]));
  await expect(dev.reportNonfinite!()).rejects.toThrow(/add, output element 0 of 2 \(kernel call 0\)/);
});

test("why: what lies behind the last element is the pool's business", async () => {
  const a = tensor(new Float32Array(64).fill(Number.NaN));
  a.dispose(); // its block is taken by y below, NaN behind y's end
  plus(tensor([1, 2, 3, 4, 5]), tensor([1, 2, 3, 4, 5]));
  await expect(dev.reportNonfinite!()).resolves.toBeUndefined();
});

test("DEBUG=nan switches it on, nothing else does", async () => {
  const before = process.env.DEBUG;
  try {
    process.env.DEBUG = "nan";
    const watched = await openDevice();
    expect(watched.reportNonfinite).toBeDefined();
    plus(tensor([Number.NaN]), tensor([1]));
    await expect(watched.reportNonfinite!()).rejects.toMatchObject({ exitCode: 5 });
    watched.close();
    delete process.env.DEBUG;
    const plain = await openDevice();
    expect(plain.inspect).toBeUndefined();
    plain.close();
  } finally {
    if (before === undefined) delete process.env.DEBUG;
    else process.env.DEBUG = before;
  }
});
