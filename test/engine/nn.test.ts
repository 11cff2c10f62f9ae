import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { HostTensor } from "../../engine/io/host.js";
import { BatchNorm, Conv2d, constant, GroupNorm, joined, Linear, Module, Parameter } from "../../engine/nn.js";
import { linear } from "../../engine/ops/linear.js";
import { Adam, Ema } from "../../engine/optim.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";

class Small extends Module {
  readonly bn: BatchNorm;
  readonly time_emb: { 1: Linear };
  readonly down: (Conv2d | GroupNorm)[];
  readonly empty: Parameter;
  readonly size = 3;

  constructor() {
    super();
    this.bn = new BatchNorm(4);
    this.time_emb = { 1: new Linear(3, 2) };
    this.down = [new Conv2d(8, 4, 3, { padding: 1 }), new GroupNorm(2, 4)];
    this.empty = new Parameter([5], constant(1));
  }
}

const host = (shape: readonly number[], fill: (i: number) => number = (i) => i): HostTensor => ({
  shape: [...shape],
  dtype: "f32",
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
});

const fitting = (prefix = ""): Map<string, HostTensor> =>
  new Map(new Small().entries().map(([name, p]) => [prefix + name, host(p.shape)]));

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

describe("keys", () => {
  test("why: PyTorch lists a module's own parameters, its buffers, then its children as they were declared", () => {
    expect(new Small().entries().map(([name]) => name)).toEqual([
      "empty",
      "bn.weight",
      "bn.bias",
      "bn.running_mean",
      "bn.running_var",
      "time_emb.1.weight",
      "time_emb.1.bias",
      "down.0.weight",
      "down.0.bias",
      "down.1.weight",
      "down.1.bias",
    ]);
  });

  test("why: buffers are no parameters, and a net is free until it has values", () => {
    const before = dev.pool.liveBytes;
    const net = new Small();
    expect(dev.pool.liveBytes).toBe(before);
    expect(net.parameterCount).toBe(5 + 8 + 8 + 4 * 8 * 9 + 4 + 8);
    expect(() => net.parameters()).toThrow("The parameter empty (5) has no values yet.");
    net.init(0);
    expect(net.namedParameters().map(([name]) => name)).not.toContain("bn.running_mean");
    expect([...net.stateDict().keys()]).toContain("bn.running_mean");
    net.dispose();
    expect(dev.pool.liveBytes).toBe(before);
  });
});

describe("init", () => {
  test("why: the same seed gives the same net, and one layer's values do not hang on another's", async () => {
    const [a, b, other] = [new Small().init(7), new Small().init(7), new Small().init(8)];
    const weight = (net: Small) => net.time_emb[1].weight.value.read();
    expect(await weight(a)).toEqual(await weight(b));
    expect(await weight(a)).not.toEqual(await weight(other));
    for (const net of [a, b, other]) net.dispose();
  });

  test("why: a layer that is declared elsewhere, or made later, keeps its values; a change of the numbers is seen", async () => {
    class Other extends Module {
      readonly added = new Linear(7, 7);
      readonly down = [new Conv2d(8, 4, 3, { padding: 1 }), new GroupNorm(2, 4)];
      readonly time_emb = { 1: new Linear(3, 2) };
    }
    const [a, b] = [new Small().init(7), new Other().init(7)];
    for (const net of [a, b]) {
      const read = async (x: { value: Tensor }) => [...(await x.value.read())];
      expect(await read(net.time_emb[1].weight)).toEqual(await read(a.time_emb[1].weight));
      expect(await read(net.down[0]!.bias!)).toEqual(await read(a.down[0]!.bias!));
      expect(await read(net.time_emb[1].bias!)).toEqual([-0.4171636998653412, 0.5133582353591919]);
    }
    for (const net of [a, b]) net.dispose();
  });

  test("why: PyTorch's default is U(-1, 1) / sqrt(fan in), for the bias too", async () => {
    const net = new Linear(400, 500).init(1);
    for (const p of [net.weight, net.bias!]) {
      const values = [...(await p.value.read())];
      const most = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const square = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      expect(most).toBeLessThanOrEqual(1 / 20);
      expect(square * 3 * 400).toBeGreaterThan(0.9);
      expect(square * 3 * 400).toBeLessThan(1.1);
    }
    net.dispose();
  });

  test("why: parameters made inside a scope outlive it", async () => {
    const net = scope(() => new Linear(2, 2).init(0));
    expect((await net.weight.value.read()).length).toBe(4);
    net.dispose();
  });
});

describe("load", () => {
  test("why: DDP, Lite and the diffusion module each put a name in front, in any order and number", async () => {
    const net = new Small().load(fitting("_module.module.eps_model."));
    const weight = net.down[0]!.weight.value;
    expect(weight.layout).toBe("channels_last");
    expect([...(await weight.read())]).toEqual(Array.from({ length: weight.size }, (_, i) => i));
    net.dispose();
  });

  test("why: schedule buffers and BatchNorm's counter are in every checkpoint and in no net of ours", () => {
    const file = fitting("module.eps_model.");
    file.set("module.betas", host([1000]));
    file.set("module.eps_model.bn.num_batches_tracked", { shape: [], dtype: "i64", data: new BigInt64Array(1) });
    new Small().load(file).dispose();
  });

  test("why: a file of gigabytes is in memory a tensor at a time", () => {
    const values = fitting();
    const steps: string[] = [];
    const write = vi.spyOn(Parameter.prototype, "write").mockImplementation(function (this: Parameter) {
      steps.push(`write ${this.name}`);
    });
    const read = (name: string): HostTensor => {
      steps.push(`read ${name}`);
      return values.get(name)!;
    };
    new Small().load({ names: [...values.keys()], info: (name) => values.get(name)!, read });
    write.mockRestore();
    expect(steps).toEqual([...values.keys()].flatMap((name) => [`read ${name}`, `write ${name}`]));
  });

  test("why: loading again must not give the optimiser's tensors away", () => {
    const net = new Small().init(0);
    const before = net.parameters();
    net.load(fitting());
    expect(net.parameters().every((p, i) => p === before[i])).toBe(true);
    net.dispose();
  });

  test("why: a net half loaded is a silent wrong net", async () => {
    const file = fitting();
    file.delete("empty");
    file.set("time_emb.1.weight", host([3, 2]));
    file.set("class_emb.weight", host([10, 5]));
    const net = new Small().init(0);
    const before = await net.bn.running_mean.value.read();
    expect(() =>
      net.load(file),
    ).toThrow(`The state dict does not fit Small: 9 of 11 tensors match, 1 is missing, 1 is not known, 1 is wrong.
  missing  empty (5)
  unknown  class_emb.weight (10, 5)
  wrong    time_emb.1.weight is (3, 2), not (2, 3)
Give the file of this net, or build the net of this file. Nothing was loaded.`);
    expect(await net.bn.running_mean.value.read()).toEqual(before);
    net.dispose();
  });

  test("why: two keys that are one after stripping, and integers for weights, are mistakes", () => {
    const twice = fitting();
    twice.set("module.empty", host([5]));
    expect(() => new Small().load(twice)).toThrow("empty is there twice");
    const integer = fitting();
    integer.set("empty", { shape: [5], dtype: "i64", data: new BigInt64Array(5) });
    expect(() => new Small().load(integer)).toThrow("empty is i64, not a float");
  });

  test("why: encoder and decoder of the autoencoder lie in two files, and a sampler needs one", () => {
    const part = new Map([...fitting()].filter(([name]) => name.startsWith("down.")));
    const net = new Small().load(part, { only: /^down\./ });
    expect(net.down[0]!.weight.hasValue).toBe(true);
    expect(net.bn.weight!.hasValue).toBe(false);
    net.dispose();
  });
});

describe("joint", () => {
  class Pair extends Module {
    readonly a = new Linear(4, 3);
    readonly between = new Linear(2, 2);
    readonly b = new Linear(4, 5);
    readonly #both = joined([this.a, this.b]);

    forward(x: Tensor): Tensor {
      return linear(x, this.#both.weight.value, this.#both.bias.value);
    }
  }
  const names = ["a", "between", "b"].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]);
  const values = async (tensors: Iterable<Tensor>) => Promise.all([...tensors].map(async (x) => [...(await x.read())]));
  const x = () => tensor([1, 2, 3, 4, -1, 0, 1, 2], [2, 4]);
  const dy = () => tensor([...Array(16).keys()], [2, 8]);
  /** What joined layers must give: those of one layer of all rows. */
  const whole = async (net: Pair) => {
    const [a, b] = [net.a, net.b].map(({ weight, bias }) => [weight.value, bias!.value] as const);
    const [w, bias] = await values([a![0], b![0], a![1], b![1]]).then(([wa, wb, ba, bb]) => [
      wa!.concat(wb!),
      ba!.concat(bb!),
    ]);
    const [W, B] = [tensor(w!, [8, 4]).requiresGrad(), tensor(bias!, [8]).requiresGrad()];
    const y = await scope(async () => {
      const y = linear(x(), W, B);
      backward(y, dy());
      return [...(await y.read())];
    });
    const [dW, dB] = (await values([W.grad!, B.grad!])) as [number[], number[]];
    for (const t of [W.grad!, B.grad!, W, B]) t.dispose();
    return { y, grads: [dW.slice(0, 12), dB.slice(0, 3), dW.slice(12), dB.slice(3)] };
  };
  const step = (net: Pair) =>
    scope(async () => {
      const y = net.forward(x());
      backward(y, dy());
      return [...(await y.read())];
    });
  const parts = (net: Pair) => [net.a, net.b].flatMap(({ weight, bias }) => [weight.value, bias!.value]);

  test("why: layers that lie together are still layers: their names, values and gradients are as they were", async () => {
    const before = dev.pool.liveBytes;
    const [net, plain] = [new Pair().init(3), new Small()];
    expect(net.entries().map(([name]) => name)).toEqual(names);
    const want = await whole(net);
    expect(await step(net)).toEqual(want.y);
    expect(await values(parts(net).map((p) => p.grad!))).toEqual(want.grads);
    await step(net);
    const twice = want.grads.map((g) => g.map((v) => 2 * v));
    expect(await values(parts(net).map((p) => p.grad!))).toEqual(twice);
    net.dispose();
    plain.dispose();
    expect(dev.pool.liveBytes).toBe(before);
  });

  test("why: the optimiser, and averages in the weights' place, must not part them", async () => {
    const net = new Pair().init(3);
    const want = await whole(net);
    await step(net);
    const adam = new Adam(net.parameters());
    expect(await values(parts(net).map((p) => p.grad!))).toEqual(want.grads);
    const ema = new Ema(net.parameters());
    expect([...ema.stateDict().keys()]).toEqual(names);
    adam.step({ lr: 0.1 });
    adam.zeroGrad();
    const after = await whole(net);
    expect(await step(net)).toEqual(after.y);
    expect(await values(parts(net).map((p) => p.grad!))).toEqual(after.grads);
    expect(after.y).not.toEqual(want.y);
    ema.swap();
    expect(await step(net)).toEqual(want.y);
    ema.swap();
    adam.zeroGrad();
    expect((await adam.clipGradNorm(1).read())[0]).toBe(0); // what the last step left behind is old, in every part
    for (const t of [ema, adam, net]) t.dispose();
  });

  test("why: a part that has no values yet has none, although it has its place", () => {
    const before = dev.pool.liveBytes;
    const net = new Pair();
    net.a.weight.write(new Float32Array(12));
    expect(() => net.forward(x())).toThrow("has no values yet");
    net.dispose();
    expect(dev.pool.liveBytes).toBe(before + 256); // x
  });
});
