import { afterAll, beforeAll, expect, test } from "vitest";
import { imageBatch, type PixelSet } from "../../data/pixels.js";
import { type Device, openDevice } from "../../engine/device.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

const SIDE = 5;
/** Two images, every value another: image, plane, row and column can be read off it. */
const set: PixelSet = {
  pixels: Uint8Array.from({ length: 2 * 3 * SIDE * SIDE }, (_, i) => i),
  size: SIDE,
  labels: new Uint32Array(2),
  names: ["one"],
};

/** What imageBatch should give, from the definition: the image continued by its reflection, then mirrored. */
function wanted(image: number, flip: boolean, dy: number, dx: number): number[] {
  const reflect = (i: number) => (i < 0 ? -i : i >= SIDE ? 2 * (SIDE - 1) - i : i);
  const out: number[] = [];
  for (let plane = 0; plane < 3; plane++)
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++) {
        const column = reflect(x - dx);
        const at = ((image * 3 + plane) * SIDE + reflect(y - dy)) * SIDE + (flip ? SIDE - 1 - column : column);
        out.push(Math.fround(at / 127.5 - 1));
      }
  return out;
}

test("images become [-1, 1], row by row of the batch", async () => {
  const x = imageBatch(set, [1, 0]);
  expect(x.shape).toEqual([2, 3, SIDE, SIDE]);
  expect([...(await x.read())]).toEqual([...wanted(1, false, 0, 0), ...wanted(0, false, 0, 0)]);
});

test("each image is mirrored and moved by its own numbers; what moves in is the reflection", async () => {
  const x = imageBatch(set, [0, 1, 1], { flip: [0, 1, 1], shift: { y: [2, -1, 0], x: [-3, 4, 0] } });
  expect([...(await x.read())]).toEqual([
    ...wanted(0, false, 2, -3),
    ...wanted(1, true, -1, 4),
    ...wanted(1, true, 0, 0),
  ]);
});

test("contrast is scaled about mid-grey, for each image by its own number", async () => {
  const x = imageBatch(set, [0, 1], { gain: [0.5, 2] });
  const scaled = (image: number, gain: number) => wanted(image, false, 0, 0).map((v) => v * gain);
  const [got, want] = [[...(await x.read())], [...scaled(0, 0.5), ...scaled(1, 2)]];
  for (const [i, v] of got.entries()) expect(v).toBeCloseTo(want[i]!, 6);
});

test("an image that is not there is refused", () => {
  expect(() => imageBatch(set, [2])).toThrow("past the set's 2");
});
