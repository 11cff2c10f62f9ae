// Arrays with sizes: the text, and the same result with and without.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { kernel, perElement } from "../../engine/shader.js";
import { empty, tensor } from "../../engine/tensor.js";
import { withSizes, worthSizes } from "../../engine/tuning/sized.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

test("bindings that are read get their sizes, through aliases; all else stays", () => {
  const text = `alias T = vec2f;
@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       h: Health;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;`;
  const bytes = new Map(["x", "h", "y"].map((name) => [name, 64]));
  expect(withSizes(text, bytes)).toBe(text.replace("x: array<T>", "x: array<T, 8>"));
});

test("only SwiftShader, only for enough bytes, only for so many pipelines", () => {
  expect(worthSizes("swiftshader", 2 ** 20, 3)).toBe(true);
  expect(worthSizes("lavapipe", 2 ** 20, 3)).toBe(false);
  expect(worthSizes("swiftshader", 2 ** 10, 3)).toBe(false);
  expect(worthSizes("swiftshader", 2 ** 20, 256)).toBe(false);
});

test("a kernel that ran for one size is right for another, to the last element", async () => {
  for (const n of [300_000, 100_003, 400_004]) {
    const a = tensor(
      Float32Array.from({ length: n }, (_, i) => i),
      [n],
    );
    const y = empty([n]);
    kernel("add").run({ a, b: a, y }, { n }, perElement(n));
    const got = await y.read();
    expect([got[1], got[n - 1]]).toEqual([2, 2 * (n - 1)]);
    a.dispose();
    y.dispose();
  }
});
