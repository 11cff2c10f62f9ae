import { expect, test } from "vitest";
import { device, openDevice } from "../../engine/device.js";
import { AdapterError, TrainingStopped } from "../../engine/errors.js";
import { kernel, perElement } from "../../engine/shader.js";
import { empty, type Tensor, tensor, zeros } from "../../engine/tensor.js";

function plus(a: Tensor, b: Tensor): Tensor {
  const y = empty(a.shape);
  kernel("add").run({ a, b, y }, { n: y.size }, perElement(y.size));
  return y;
}

test("a closed device says so, whatever is asked of it", async () => {
  const dev = await openDevice();
  const x = tensor([1, 2]);
  dev.close();
  dev.close(); // twice is safe
  expect(() => device()).toThrow("No device is open: call `await openDevice()` first.");
  await expect(x.read()).rejects.toThrow("The device is closed: openDevice() again.");
  expect(() => x.write([3, 4])).toThrow(AdapterError);
  await expect(dev.queue.idle()).rejects.toThrow(/closed/);
});

test("a tensor of a closed device is refused by the next device's kernels", async () => {
  const first = await openDevice();
  const x = tensor([1, 2]);
  first.close();
  const second = await openDevice();
  expect(() => plus(x, zeros([2]))).toThrow(/add: a \(2\) belongs to a device that was closed/);
  second.close();
});

test("why: a lost GPU must not look like wrong numbers: the error sticks, and keeps its exit code", async () => {
  const dev = await openDevice();
  const x = tensor([1, 2]);
  // Dawn's way to lose a device without its being closed: `lost` then resolves with another reason than "destroyed".
  dev.fail(new TrainingStopped("The GPU was lost: test."));
  for (let i = 0; i < 2; i++) {
    await expect(x.read()).rejects.toThrow("The GPU was lost: test.");
    expect(() => plus(x, x)).toThrow("The GPU was lost: test.");
    await expect(dev.queue.settle()).rejects.toMatchObject({ exitCode: 5 });
  }
  dev.close();
});

test("the first error is kept: what follows is its consequence", async () => {
  const dev = await openDevice();
  dev.fail(new AdapterError("first"));
  dev.fail(new AdapterError("second"));
  expect(() => dev.check()).toThrow("first");
  dev.close();
});

test("why: a WebGPU validation error arrives later than the call, and must not be swallowed", async () => {
  const dev = await openDevice();
  const x = tensor([1, 2]);
  dev.gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await expect(async () => {
    for (let i = 0; i < 10; i++) await x.read();
  }).rejects.toThrow(/^WebGPU: /);
  dev.close();
});

test("a GPU device destroyed behind our back makes reads fail, not hang", async () => {
  const dev = await openDevice();
  const y = plus(tensor([1, 2]), tensor([1, 2]));
  dev.gpu.destroy();
  await expect(y.read()).rejects.toThrow();
  dev.close();
});
