import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { gatherRows } from "../../engine/ops/gather_rows.js";
import { tensor } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

const values = Float32Array.from({ length: 3 * 4 * 5 }, (_, i) => i);
const row = (r: number) => Array.from(values.subarray(r * 20, (r + 1) * 20));

for (const layout of ["plain", "channels_last"] as const) {
  test(`runs, repeats and gaps of rows (${layout})`, async () => {
    const x = tensor(values, [3, 4, 5], "f32", layout);
    const y = gatherRows(x, [1, 2, 0, 0, 2]);
    expect(y.shape).toEqual([5, 4, 5]);
    expect(y.layout).toBe(layout);
    expect([...(await y.read())]).toEqual([1, 2, 0, 0, 2].flatMap(row));
  });
}

test("a row that is not there is refused", () => {
  expect(() => gatherRows(tensor(values, [3, 20]), [0, 3])).toThrow(/row 3 is not in x \(3, 20\)/);
});
