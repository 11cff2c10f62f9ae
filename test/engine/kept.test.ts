import { afterEach, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { Adam } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { recompute } from "../../engine/recompute.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { copyElements, type Tensor, tensor } from "../../engine/tensor.js";

let dev: Device;
afterEach(() => dev?.close());

const values = (key: string, n: number) => Float32Array.from(random(5, key).uniforms(n), (u) => 2 * u - 1);
const SHAPE = [4, 4, 3, 3];
const weight = (key = "w") => tensor(values(key, 144), SHAPE, "f32", "channels_last").requiresGrad("w");

/** Broadcast kernels have Winograd's form on every adapter; counts how often a weight was transformed. */
async function opened() {
  dev = await openDevice({ poison: true });
  const x = tensor(values("x", 144), [1, 4, 6, 6], "f32", "channels_last");
  const counts = { transforms: 0 };
  dev.inspect = ({ kernel }) => {
    if (kernel === "winograd_weight") counts.transforms++;
  };
  const conv = (w: Tensor) => conv2d(x, w, undefined, { padding: 1, form: 4 });
  return { x, counts, conv };
}

test("a weight that rests is transformed twice, whatever the number of calls, and its memory goes with it", async () => {
  const { counts, conv } = await opened();
  const before = dev.pool.liveBytes;
  const w = weight();
  const run = () => scope(() => noGrad(() => conv(w).read()));
  const all = [await run(), await run(), await run(), await run()];
  for (const y of all) expect(y).toEqual(all[0]);
  expect(counts.transforms).toBe(2);
  expect(dev.kept.bytes).toBe(4 * 36 * 16);
  w.dispose();
  expect(dev.kept.bytes).toBe(0);
  expect(dev.pool.liveBytes).toBe(before);
});

test("why: a kept value must never be that of a weight as it was", async () => {
  const { counts, conv } = await opened();
  const w = weight();
  const other = tensor(values("other", 144), SHAPE, "f32", "channels_last");
  const adam = new Adam([w]); // moves w to a view of a bucket
  const { queue } = dev;
  const ways: Record<string, () => void> = {
    upload: () => void w.write(values("upload", 144)),
    copy: () => copyElements(other, w),
    clear: () => queue.clear(w.storage.block.buffer, w.offset, 4 * w.size),
    "upload behind it": () => queue.write(w.storage.block.buffer, w.offset, values("behind", 4)),
    "step of an optimiser": () => {
      scope(() => backward(conv(w), tensor(values("dy", 144), [1, 4, 6, 6])));
      adam.step({ lr: 1 });
      adam.zeroGrad();
    },
  };
  const run = () => scope(() => noGrad(() => conv(w).read())) as Promise<Float32Array>;
  for (const [name, change] of Object.entries(ways)) {
    await run();
    const before = await run();
    expect(dev.kept.bytes, `${name}: kept before`).toBeGreaterThan(0);
    scope(change);
    const got = await run();
    const copy = tensor(await w.read(), SHAPE, "f32", "channels_last");
    const want = await scope(() => conv(copy).read());
    copy.dispose();
    expect(got, name).toEqual(want);
    expect(got, `${name}: something changed`).not.toEqual(before);
  }
  expect(counts.transforms).toBeGreaterThan(0);
});

test("training keeps nothing, not in its gradient rules and not where a part runs again", async () => {
  const { x, conv } = await opened();
  const w = weight();
  for (let step = 0; step < 3; step++) {
    scope(() => {
      x.requiresGrad("x");
      backward(
        recompute([x], () => conv(w)),
        tensor(values("dy", 144), [1, 4, 6, 6]),
      );
    });
  }
  expect(dev.kept.bytes).toBe(0);
});

test("two weights in one buffer do not take each other's place", async () => {
  const { conv } = await opened();
  const both = [weight("a"), weight("b")];
  new Adam(both);
  const fresh = await Promise.all(both.map((w) => scope(() => conv(w).read())));
  for (let call = 0; call < 3; call++) {
    const kept = await Promise.all(both.map((w) => scope(() => noGrad(() => conv(w).read()))));
    expect(kept).toEqual(fresh);
  }
});

test("why: a gigabyte has to do for the largest net: nothing more is kept where that much is in use", async () => {
  const { counts, conv } = await opened();
  const w = weight();
  const run = () => scope(() => noGrad(() => conv(w).read()));
  dev.pool.liveBytes += 2 ** 30; // as if it were
  for (let i = 0; i < 3; i++) await run();
  dev.pool.liveBytes -= 2 ** 30;
  expect(counts.transforms).toBe(3);
  expect(dev.kept.bytes).toBe(0);
});
