// What must hold of LPIPS whatever its weights are. Its numbers are held by test/parity/lpips.ts.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { HostTensor } from "../../engine/io/host.js";
import type { Weights } from "../../engine/nn.js";
import { add } from "../../engine/ops/binary.js";
import { sum } from "../../engine/ops/reduce.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { sizeOf, type Tensor, tensor } from "../../engine/tensor.js";
import { Lpips } from "../../models/lpips.js";
import { vggWidths } from "../../models/vgg16.js";
import { paramValue } from "../golden.js";

const SIDE = 16; // the last of the five results is one pixel

let dev: Device;
let net: Lpips;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  net = new Lpips();
  for (const [name, p] of net.entries())
    p.write(paramValue(name, p.shape).map(name.startsWith("lin") ? Math.abs : Number));
  net.freeze();
});
afterAll(() => {
  net.dispose();
  dev.close();
});

const image = (name: string): Tensor =>
  tensor(
    random(5, name)
      .uniforms(2 * 3 * SIDE * SIDE)
      .map((v) => 2 * v - 1),
    [2, 3, SIDE, SIDE],
  );
const distance = (a: string, b: string, rng = undefined as ReturnType<typeof random> | undefined) =>
  scope(async () => [...(await noGrad(() => net.forward(image(a), image(b), rng)).read())]);

test("why: an image is at no distance from itself, and the distance is the same both ways", async () => {
  expect(await distance("a", "a")).toEqual([0, 0]);
  const there = await distance("a", "b");
  expect(there.every((d) => d > 1e-3)).toBe(true);
  expect(await distance("b", "a")).toEqual(there);
});

test("why: one seed is one mask of dropout, and none without an rng", async () => {
  const dropped = await distance("a", "b", random(1, "lpips"));
  expect(await distance("a", "b", random(1, "lpips"))).toEqual(dropped);
  expect(dropped).not.toEqual(await distance("a", "b", random(2, "lpips")));
  expect(dropped).not.toEqual(await distance("a", "b"));
});

test("why: weights start, and must stay, at zero or above", () => {
  const fresh = new Lpips();
  for (const [name, p] of fresh.entries().filter(([name]) => name.startsWith("lin"))) {
    const w = p.init(random(0, "init", name), p.shape);
    expect(
      w.every((v) => v >= 0 && v <= 1 / Math.sqrt(p.shape[1]!)),
      name,
    ).toBe(true);
    expect(Math.max(...w), name).toBeGreaterThan(0.5 / Math.sqrt(p.shape[1]!));
  }
});

test("why: pixels whose features are all zero pass no gradient on, and none that is not finite", async () => {
  const { bias } = net.net.slice5[28]!;
  const before = (await bias!.value.read()) as Float32Array;
  bias!.write(new Float32Array(before.length).fill(-1e3)); // the ReLU behind it gives zeros alone
  const b = image("b").requiresGrad("b");
  const last = await scope(async () => {
    const layers = net.layers(net.features(image("a")), net.features(b));
    backward(layers.map((layer) => sum(layer)).reduce((x, y) => add(x, y)));
    return [...(await layers[4]!.read())];
  });
  bias!.write(before);
  const gradient = await b.grad!.read();
  b.grad!.dispose();
  b.dispose();
  expect(last).toEqual([0, 0]);
  expect(gradient.every(Number.isFinite)).toBe(true);
  expect(gradient.some((v) => v !== 0)).toBe(true);
});

test("why: nothing is left behind", async () => {
  await distance("a", "b");
  const before = dev.pool.liveBytes;
  await distance("a", "b");
  expect(dev.pool.liveBytes).toBe(before);
});

/** Files of these tensors, every number `value`. */
function file(path: string, shapes: Record<string, readonly number[]>, value: number): Weights {
  const read = (name: string): HostTensor => ({
    shape: [...shapes[name]!],
    dtype: "f32",
    data: new Float32Array(sizeOf(shapes[name]!)).fill(value),
  });
  return { path, names: Object.keys(shapes), info: (name) => ({ shape: shapes[name]!, dtype: "f32" }), read };
}

test("why: torchvision's VGG16 and LPIPS's own small file are one net, whatever else is in them", async () => {
  const fresh = new Lpips();
  const shapes = fresh.entries().map(([name, p]) => [name, p.shape] as const);
  const trunk = Object.fromEntries(
    shapes
      .filter(([name]) => name.startsWith("net."))
      .map(([name, shape]) => [name.replace(/^net\.slice\d/, "features"), shape]),
  );
  const lins = Object.fromEntries(vggWidths.map((width, l) => [`lin${l}.model.1.weight`, [1, width, 1, 1]]));
  const vgg = file("vgg16.pth", { ...trunk, "classifier.0.weight": [2, 2], "classifier.0.bias": [2] }, 0.25);
  const own = file(
    "vgg.pth",
    { ...lins, "lins.0.model.1.weight": [1, 64, 1, 1], "scaling_layer.shift": [1, 3, 1, 1] },
    2,
  );

  expect(() => fresh.load([vgg])).toThrow(/26 of 31 tensors match, 5 are missing/);
  fresh.load([vgg, own]);
  const values = async (name: string) => new Set(await fresh.stateDict().get(name)!.read());
  expect(await values("net.slice4.21.bias")).toEqual(new Set([0.25]));
  expect(await values("lin3.model.1.weight")).toEqual(new Set([2]));
  fresh.dispose();
});
