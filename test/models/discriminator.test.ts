// What must hold of the discriminator whatever its weights are. Its numbers are held by test/parity/gan.ts.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { noGrad } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { Discriminator } from "../../models/discriminator.js";

let dev: Device;
let net: Discriminator;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  net = new Discriminator({ ndf: 4 }).init(0);
});
afterAll(() => {
  net.dispose();
  dev.close();
});

const judge = (side: number, training: boolean) =>
  scope(async () => {
    const x = tensor(random(1, "x", side).normals(2 * 3 * side * side), [2, 3, side, side]);
    const y = noGrad(() => net.forward(x, training));
    return { shape: y.shape, values: [...(await y.read())] };
  });

test("why: the paper's images give 14 x 14 logits, and the promise holds for other sides, odd ones too", async () => {
  expect(new Discriminator().patches(128)).toBe(14);
  expect(net.patches(23)).toBe(0);
  for (const side of [24, 33])
    expect((await judge(side, false)).shape).toEqual([2, 1, net.patches(side), net.patches(side)]);
});

test("why: the batch's statistics judge while training, and leave the running ones behind for afterwards", async () => {
  const untrained = await judge(24, false);
  const training = await judge(24, true);
  expect(training.values).not.toEqual(untrained.values);
  expect((await judge(24, true)).values).toEqual(training.values);
  expect((await judge(24, false)).values).not.toEqual(untrained.values);
});

test("why: fewer or more layers keep PyTorch's numbers", () => {
  const keys = (n_layers: number) => [
    ...new Set(new Discriminator({ n_layers }).entries().map(([name]) => name.split(".")[1])),
  ];
  expect(keys(2)).toEqual(["0", "2", "3", "5", "6", "8"]);
  expect(keys(4)).toEqual(["0", "2", "3", "5", "6", "8", "9", "11", "12", "14"]);
});
