// The kernel of DEBUG=nan, by bits: test/engine/nan.test.ts has what is built on it.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { kernel } from "../../engine/shader.js";
import { tensor } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

const NONE = 0xffffffff;
const [INFINITY, MINUS_INFINITY, SMALLEST_NAN, LARGEST] = [0x7f800000, 0xff800000, 0x7f800001, 0x7f7fffff];

/** What several calls find, each of which sees a list of [index, bits] among n ones. */
async function find(n: number, calls: (readonly (readonly [number, number])[])[], foldAfter = 65_535) {
  const first = tensor([NONE, NONE], [2], "u32");
  const before = dev.foldAfter;
  dev.foldAfter = foldAfter;
  for (const [call, places] of calls.entries()) {
    const bits = new Uint32Array(n).fill(0x3f800000);
    for (const [i, value] of places) bits[i] = value;
    const x = tensor(bits, [n], "u32");
    kernel("find_nonfinite").run({ x, first }, { n, call }, { workgroups: Math.ceil(n / 64) });
    x.dispose();
  }
  dev.foldAfter = before;
  const found = [...(await first.read())];
  first.dispose();
  return found;
}

test("infinities and the smallest NaN are found, the largest number is none", async () => {
  for (const bits of [INFINITY, MINUS_INFINITY, SMALLEST_NAN]) expect(await find(8, [[[5, bits]]])).toEqual([0, 5]);
  expect(await find(8, [[[5, LARGEST]]])).toEqual([NONE, NONE]);
});

test("the earliest call wins, and in it the smallest index", async () => {
  const two = [
    [6, INFINITY],
    [2, SMALLEST_NAN],
  ] as const;
  expect(await find(8, [[], two, [[0, INFINITY]]])).toEqual([1, 2]);
});

test.each([3, 65_535])("every workgroup looks, with the grid folded after %i", async (foldAfter) => {
  for (const at of [0, 63, 64, 200, 319]) expect(await find(320, [[[at, INFINITY]]], foldAfter)).toEqual([0, at]);
});

test("what lies behind the last element is not looked at", async () => {
  expect(await find(5, [[]])).toEqual([NONE, NONE]);
  expect(await find(64 * 4 + 16, [[]], 3)).toEqual([NONE, NONE]);
});
