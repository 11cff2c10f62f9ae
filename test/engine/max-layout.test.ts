import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { mul } from "../../engine/ops/binary.js";
import { channelsLast } from "../../engine/ops/layout.js";
import { max } from "../../engine/ops/reduce.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

test("why: the gradient of max may arrive channels_last, as a product with such a tensor makes it", async () => {
  const values = Float32Array.from({ length: 2 * 4 * 3 * 5 }, (_, i) => (i * 37) % 101);
  const factor = Float32Array.from({ length: 2 * 4 * 3 }, (_, i) => i + 1);
  const gradient = async (last: boolean) => {
    const x = tensor(values, [2, 4, 3, 5]).requiresGrad("x");
    scope(() => {
      const b = tensor(factor, [2, 4, 3]);
      backward(mul(max(x), last ? channelsLast(b) : b), tensor(factor, [2, 4, 3]));
    });
    return [...(await x.grad!.read())];
  };
  expect(await gradient(true)).toEqual(await gradient(false));
});
