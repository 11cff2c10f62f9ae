import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice, scope, tensor } from "../../engine/index.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

test("operations chain as methods, and backward goes through them", async () => {
  const x = tensor([1, -2, 3, -4], [2, 2]).requiresGrad("x");
  const y = await scope(() => {
    const y = x.mul(2).add(x).relu().transpose().reshape([4]).square().mean();
    y.backward();
    return y.read();
  });
  expect([...y]).toEqual([(9 + 81) / 4]);
  expect([...(await x.grad!.read())]).toEqual([4.5, 0, 13.5, 0]); // 2 (3 x) 3 / 4 where x > 0
});

test("methods are no enumerable properties of a tensor", () => {
  expect(Object.keys(tensor([1]))).not.toContain("add");
  expect("add" in tensor([1])).toBe(true);
});
