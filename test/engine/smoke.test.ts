import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { kernel, perElement } from "../../engine/shader.js";
import { empty, tensor } from "../../engine/tensor.js";
import { toLayout } from "../../engine/layout.js";

test("smoke", async () => {
  const dev = await openDevice();
  console.log(dev.kind, dev.info.description, dev.subgroupSize, dev.family);
  const a = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const y = empty([2, 3]);
  kernel("add").run({ a, b: a, y }, { n: 6 }, perElement(6));
  expect([...(await y.read())]).toEqual([2, 4, 6, 8, 10, 12]);
  const x = tensor(Array.from({ length: 48 }, (_, i) => i), [2, 4, 2, 3]);
  const cl = toLayout(x, "channels_last");
  expect([...(await cl.read())]).toEqual(Array.from({ length: 48 }, (_, i) => i));
  dev.close();
});
