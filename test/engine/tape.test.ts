import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { keep, scope } from "../../engine/scope.js";
import { kernel, perElement } from "../../engine/shader.js";
import { backward, noGrad, record } from "../../engine/tape.js";
import { emptyLike, type Tensor, tensor } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

/** a + b, an op small enough to test the tape without the ops. */
function plus(a: Tensor, b: Tensor): Tensor {
  const y = emptyLike(a);
  kernel("add").run({ a, b, y }, { n: y.size }, perElement(y.size));
  return record(y, { inputs: [a, b] }, (dy) => [dy, dy]);
}

/** x * x by way of a saved tensor: the rule reads x after its scope has closed. */
function savedTwice(x: Tensor): Tensor {
  const y = plus(x, x).detach();
  y.madeBy = "savedTwice";
  return record(y, { inputs: [x], saved: [x] }, (dy) => {
    const sum = emptyLike(dy);
    kernel("add").run({ a: dy, b: x, y: sum }, { n: sum.size }, perElement(sum.size));
    return [sum];
  });
}

const leaf = (values: number[]) => tensor(values, [values.length]).requiresGrad("leaf");

test("a leaf that is used twice gets the sum of both gradients", async () => {
  const x = leaf([1, 2, 3, 4]);
  scope(() => backward(plus(plus(x, x), x), tensor([1, 10, 100, 1000], [4])));
  expect([...(await x.grad!.read())]).toEqual([3, 30, 300, 3000]);
});

test("a second backward adds to the gradient, and overwrites a stale one", async () => {
  const x = leaf([1, 1]);
  const step = () => scope(() => backward(plus(x, x), tensor([1, 2], [2])));
  step();
  step();
  expect([...(await x.grad!.read())]).toEqual([4, 8]);
  x.gradIsStale = true;
  step();
  expect([...(await x.grad!.read())]).toEqual([2, 4]);
});

test("a saved tensor outlives the scope that made it, and no longer than its rule", async () => {
  const x = leaf([1, 2]);
  const before = dev.pool.liveBlocks;
  scope(() => {
    const y = scope(() => savedTwice(plus(x, x)));
    backward(y, tensor([1, 1], [2]));
  });
  expect([...(await x.grad!.read())]).toEqual([6, 10]); // dx = (dy + 2x) * 2
  expect(dev.pool.liveBlocks).toBe(before + 1); // the gradient
});

test("a forward pass whose result is dropped frees what it saved", () => {
  const x = leaf([1, 2]);
  const before = dev.pool.liveBlocks;
  scope(() => {
    savedTwice(savedTwice(plus(x, x)));
  });
  expect(dev.pool.liveBlocks).toBe(before);
});

test("noGrad records nothing", () => {
  const x = leaf([1]);
  expect(noGrad(() => plus(x, x)).node).toBeUndefined();
  expect(plus(x, x).node).toBeDefined();
});

test("a tensor of a closed scope is refused by name, and keep() spares it", () => {
  let lost: Tensor | undefined;
  let kept: Tensor | undefined;
  scope(() => {
    lost = tensor([1, 2], [2]);
    kept = keep(tensor([3, 4], [2]));
  });
  expect(() => lost!.check()).toThrow(/used after its scope closed.*\n.*\(2\)/);
  expect(kept!.check()).toBe(kept);
  kept!.dispose();
});

test("what a scope returns passes to the scope around", () => {
  const before = dev.pool.liveBlocks;
  scope(() => {
    const { a } = scope(() => ({ a: tensor([1], [1]), list: [tensor([2], [1])] }));
    expect(a.disposed).toBe(false);
    expect(dev.pool.liveBlocks).toBe(before + 2);
  });
  expect(dev.pool.liveBlocks).toBe(before);
});

test("backward refuses a second pass, a missing dy and a y without a way back", () => {
  const x = leaf([1, 2]);
  const y = plus(x, x);
  expect(() => backward(y)).toThrow(/give a dy/);
  backward(y, tensor([1, 1], [2]));
  expect(() => backward(y, tensor([1, 1], [2]))).toThrow(/second time/);
  expect(() => backward(tensor([1], [1]))).toThrow(/wants a gradient/);
});

test("why: a gradient that its rule wrote where it will lie is not copied there, and one that follows is added", async () => {
  const x = leaf([1, 2, 3]);
  const places: boolean[] = [];
  const straight = (): Tensor =>
    record(x.detach(), { inputs: [x] }, (dy, _needs, _take, place) => {
      const dx = place(0);
      places.push(dx !== undefined);
      const to = dx ?? emptyLike(dy);
      kernel("add").run({ a: dy, b: dy, y: to }, { n: dy.size }, perElement(dy.size));
      return [to];
    });
  const copy = vi.spyOn(dev.queue, "copy");
  scope(() => backward(straight(), tensor([1, 10, 100], [3])));
  const written = copy.mock.calls.filter(([, , to]) => to === x.grad!.storage.block.buffer);
  copy.mockRestore();
  expect(written).toHaveLength(dev.pool.guard ? 2 : 0); // of the guard: NaN, and a fence behind
  scope(() => backward(straight(), tensor([1, 1, 1], [3])));
  expect(places).toEqual([true, false]);
  expect([...(await x.grad!.read())]).toEqual([4, 22, 202]);
});
