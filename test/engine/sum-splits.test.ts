// The kernel that adds up the parts of a product whose depth was split; test/engine/tiled.test.ts has the whole.

import { afterAll, beforeAll, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { planSum } from "../../engine/ops/tiled_plan.js";
import { random } from "../../engine/random.js";
import { kernel } from "../../engine/shader.js";
import { empty, tensor } from "../../engine/tensor.js";
import { compare, WHOLE } from "../check-op.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

test.each([
  { splits: 1, foldAfter: 65_535 },
  { splits: 3, foldAfter: 65_535 },
  { splits: 2, foldAfter: 3 },
])("$splits parts, the grid folded after $foldAfter", async ({ splits, foldAfter }) => {
  const parts = random(1, `parts ${splits}`).normals(splits * WHOLE);
  const [x, y] = [tensor(parts), empty([WHOLE])];
  const { params } = planSum(WHOLE, splits);
  const before = dev.foldAfter;
  dev.foldAfter = foldAfter;
  kernel("sum_splits").run({ x, y }, params, { workgroups: Math.ceil(WHOLE / 256) });
  dev.foldAfter = before;
  const want = Array.from({ length: WHOLE }, (_, i) => {
    let sum = 0;
    for (let s = 0; s < splits; s++) sum += parts[s * WHOLE + i]!;
    return sum;
  });
  compare("y", await y.read(), want, 1e-6);
  x.dispose();
  y.dispose();
});
