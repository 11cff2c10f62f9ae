import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { silu } from "../../engine/ops/unary.js";
import { sizeClass } from "../../engine/pool.js";
import { kernel, perElement } from "../../engine/shader.js";
import { backward } from "../../engine/tape.js";
import { empty, tensor, zeros } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

test("an upload into a buffer that recorded commands still read does not overtake them", async () => {
  const a = tensor(new Float32Array(64).fill(1), [64]);
  const y = empty([64]);
  const victim = a.storage.block.id;
  kernel("add").run({ a, b: a, y }, { n: 64 }, perElement(64));
  a.dispose(); // its block is idle while the kernel is only recorded
  const b = tensor(new Float32Array(64).fill(5), [64]);
  expect(b.storage.block.id).toBe(victim);
  expect((await y.read())[0]).toBe(2);
});

test("a batch of dispatches keeps its parameters apart, past the arena's end", async () => {
  const total = zeros([4]);
  const one = tensor([1, 1, 1, 1], [4]);
  for (let i = 0; i < 1000; i++) kernel("add_into").run({ x: one, y: total }, { n: 4 }, perElement(4));
  expect([...(await total.read())]).toEqual([1000, 1000, 1000, 1000]);
});

test("copies and clears keep their place among kernels", async () => {
  const a = tensor([1, 2, 3, 4], [4]);
  const y = zeros([4]);
  const { buffer } = y.storage.block;
  dev.queue.copy(a.storage.block.buffer, 0, buffer, 0, 16);
  kernel("add_into").run({ x: a, y }, { n: 4 }, perElement(4));
  dev.queue.clear(buffer, 0, 8);
  expect([...(await y.read())]).toEqual([0, 0, 6, 8]);
});

test("the pool's counters are exact, and a freed block is used again", () => {
  const { liveBytes, liveBlocks } = dev.pool;
  const first = empty([1000]);
  expect(dev.pool.liveBytes - liveBytes).toBe(sizeClass(4000));
  const { id } = first.storage.block;
  first.dispose();
  first.dispose(); // twice is safe
  expect(dev.pool).toMatchObject({ liveBytes, liveBlocks });
  const second = empty([1000]);
  expect(second.storage.block.id).toBe(id);
  second.dispose();
});

test("size classes waste at most an eighth and are multiples of 256", () => {
  for (let n = 1; n < 3e6; n = Math.ceil(n * 1.07)) {
    const size = sizeClass(n);
    expect(size % 256).toBe(0);
    expect(size).toBeGreaterThanOrEqual(n);
    if (n > 4096) expect(size).toBeLessThanOrEqual(n * 1.125 + 1);
  }
});

test("wrong names are refused with the right ones", () => {
  const x = zeros([4]);
  expect(() => kernel("add").run({ a: x, x }, { n: 4 }, perElement(4))).toThrow(
    /missing {2}b, y[\s\S]*unknown {2}x[\s\S]*has a, b, y/,
  );
  expect(() => kernel("add").run({ a: x, b: x, y: x }, { m: 4 }, perElement(4))).toThrow(/The file has n\./);
});

test("a kernel that would read and write one memory is refused", () => {
  const x = zeros([4]);
  expect(() => kernel("add").run({ a: x, b: x, y: x }, { n: 4 }, perElement(4))).toThrow(/same memory/);
});

test("a binding past the adapter's limit names the tensor and the limit", () => {
  const limits = vi.spyOn(dev.gpu.limits, "maxStorageBufferBindingSize", "get").mockReturnValue(1024);
  const [big, y] = [zeros([512]), zeros([512])];
  expect(() => kernel("add").run({ a: big, b: y, y: zeros([512]) }, { n: 512 }, perElement(512))).toThrow(
    /a needs 2,048 bytes; this adapter binds 1,024 at most \(maxStorageBufferBindingSize\)[\s\S]*\(512\)/,
  );
  limits.mockRestore();
});

test("why: a profile says silu, not the file that holds all functions of one number", async () => {
  const x = tensor([1, 2, 3, 4]).requiresGrad("x");
  const timeline = await dev.profile(() => backward(silu(x), tensor([1, 1, 1, 1])));
  expect(timeline.map((t) => t.kernel)).toEqual(["silu", "silu_backward"]);
});

test("a profile has a row for every dispatch", async () => {
  const x = zeros([4096]);
  const timeline = await dev.profile(() => {
    for (let i = 0; i < 3; i++)
      kernel("add_into").run({ x: tensor(new Float32Array(4096), [4096]), y: x }, { n: 4096 }, perElement(4096));
  });
  expect(timeline.map((t) => t.kernel)).toEqual(["add_into", "add_into", "add_into"]);
  for (const { ms } of timeline) expect(ms).toBeGreaterThan(0);
});
