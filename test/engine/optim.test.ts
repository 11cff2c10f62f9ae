import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { TrainingStopped } from "../../engine/errors.js";
import type { HostTensor } from "../../engine/io/host.js";
import { Adam, AdamW, clipGradNorm, Ema, flatten, SGD } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { kernel, type Params } from "../../engine/shader.js";
import { backward } from "../../engine/tape.js";
import { type Layout, type Shape, type Tensor, tensor, zeros } from "../../engine/tensor.js";
import { compare } from "../check-op.js";
import * as twin from "../reference/optim.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

const values = (name: string, n: number): Float32Array => random(3, name).normals(n);

/** Leaves of awkward sizes: 1 element, odd, a multiple of 64, channels last. */
const shapes: [string, Shape, Layout][] = [
  ["a", [1], "plain"],
  ["b", [3, 7], "plain"],
  ["c", [64], "plain"],
  ["d", [5, 8, 3, 3], "channels_last"],
  ["e", [130, 31], "plain"],
];

const sizeOf = (shape: Shape) => shape.reduce((n, d) => n * d, 1);

function leaves(seed = ""): Tensor[] {
  return shapes.map(([name, shape, layout]) =>
    tensor(values(seed + name, sizeOf(shape)), shape, "f32", layout).requiresGrad(name),
  );
}

/** Gives every parameter a gradient through the tape, in PyTorch's order. */
function give(parameters: readonly Tensor[], seed: string, scale = 1): Float32Array[] {
  return parameters.map((p) => {
    const dy = values(`${seed} d${p.name}`, p.size).map((x) => Math.fround(x * scale));
    const y = tensor(dy, p.shape, "f32", p.layout);
    backward(p, y);
    y.dispose();
    return dy;
  });
}

const readAll = async (xs: Iterable<Tensor>): Promise<Float32Array[]> => {
  const out: Float32Array[] = [];
  for (const x of xs) out.push((await x.read()) as Float32Array);
  return out;
};

const hostOf = async (state: Map<string, Tensor>): Promise<Map<string, HostTensor>> => {
  const out = new Map<string, HostTensor>();
  for (const [name, x] of state)
    out.set(name, { shape: [...x.shape], dtype: x.dtype, data: (await x.read()) as Float32Array<ArrayBuffer> });
  return out;
};

describe("flat storage", () => {
  test("why: modules hold the tensors, so objects and values must survive the move", async () => {
    const parameters = leaves();
    const before = await readAll(parameters);
    const { buckets } = flatten(parameters);
    expect(buckets).toHaveLength(1);
    expect(await readAll(parameters)).toEqual(before);
    for (const p of parameters) {
      expect(p.offset % 256).toBe(0);
      expect(p.storage).toBe(buckets[0]!.weights.storage);
      expect(p.grad!.storage).toBe(buckets[0]!.grads.storage);
      expect(p.grad!.offset).toBe(p.offset);
    }
    const all = (await buckets[0]!.weights.read()) as Float32Array;
    expect(all.length % 64).toBe(0);
    expect(all.filter((x) => x !== 0).length).toBe(
      before.flat().reduce((n, x) => n + x.filter((v) => v !== 0).length, 0),
    );
  });

  test("why: an optimiser and an average share the storage; half of a list shared is a mistake", () => {
    const parameters = leaves();
    const flat = flatten(parameters);
    expect(flatten([...parameters, parameters[0]!])).toBe(flat);
    expect(() => flatten(parameters.slice(1))).toThrow("A parameter belongs to one optimiser");
    expect(() => flatten([...parameters, ...leaves()])).toThrow("apart   a (1)");
  });

  test("why: more parameters than one binding holds go to several buckets", () => {
    const parameters = ["x", "y", "z"].map((name) => zeros([5000, 4096]).requiresGrad(name)); // 78 MiB each
    const { buckets } = flatten(parameters);
    expect(buckets.map((b) => b.places.length)).toEqual([1, 1, 1]);
    for (const p of parameters) p.dispose();
  });

  test("why: micro-batches add up in the views, also over the padding that an accumulating kernel overruns", async () => {
    const parameters = leaves();
    const sgd = new SGD(parameters);
    const first = give(parameters, "one");
    const second = give(parameters, "two");
    const got = await readAll(parameters.map((p) => p.grad!));
    for (const [i, g] of got.entries()) {
      const sum = first[i]!.map((x, k) => x + second[i]![k]!);
      compare(`grad ${i}`, g, sum, 1e-6);
    }
    const norm = await sgd.clipGradNorm(1e9).item();
    const want = twin.gradNorm(got);
    expect(Math.abs(norm - want) / want).toBeLessThan(1e-6);
  });

  test("why: a gradient from before flatten counts; a parameter that no backward reached counts as zero", async () => {
    const parameters = leaves();
    const early = give(parameters.slice(0, 2), "early");
    const norm = await clipGradNorm(parameters, 5).item();
    expect(norm).toBeCloseTo(twin.gradNorm(early), 4);
    const before = await readAll(parameters);
    new SGD(parameters).step({ lr: 1 });
    const after = await readAll(parameters);
    expect(after.slice(2)).toEqual(before.slice(2));
    expect(after[0]).not.toEqual(before[0]);
  });

  test("why: zeroGrad is a mark, and the next backward overwrites", async () => {
    const parameters = leaves();
    const sgd = new SGD(parameters);
    give(parameters, "old");
    sgd.step({ lr: 0 });
    sgd.zeroGrad();
    const fresh = give(parameters, "new");
    expect(await readAll(parameters.map((p) => p.grad!))).toEqual(fresh);
    sgd.zeroGrad();
    const [only] = give(parameters.slice(3, 4), "only"); // what the others hold is old and must not count
    expect(await sgd.clipGradNorm(1).item()).toBeCloseTo(twin.gradNorm([only!]), 4);
  });

  test("why: a run that trains one net after the other must get its memory back", () => {
    const before = dev.pool.liveBytes;
    const parameters = leaves();
    const adam = new Adam(parameters);
    const ema = new Ema(parameters);
    give(parameters, "x");
    adam.step({ lr: 1 });
    adam.stateDict();
    ema.stateDict();
    ema.dispose();
    adam.dispose();
    for (const p of parameters) p.dispose();
    expect(dev.pool.liveBytes).toBe(before);
  });
});

describe.each(["broadcast", "tiled"] as const)("%s kernels", (family) => {
  beforeEach(() => {
    dev.family = family;
    dev.foldAfter = 3; // grids in two dimensions: the flat one is a part of them
  });
  afterEach(() => {
    dev.foldAfter = dev.limits.maxComputeWorkgroupsPerDimension;
  });

  test.each([
    { why: "L2 decay and odd betas", decoupled: false, weightDecay: 0.1, betas: [0.8, 0.95] as const, eps: 1e-8 },
    { why: "decoupled decay", decoupled: true, weightDecay: 0.1, betas: [0.9, 0.999] as const, eps: 1e-8 },
    { why: "an eps that can be seen", decoupled: false, weightDecay: 0, betas: [0.9, 0.999] as const, eps: 0.1 },
  ])("Adam, $why, against the float64 twin", async ({ decoupled, weightDecay, betas, eps }) => {
    const parameters = leaves();
    const optimizer = decoupled
      ? new AdamW(parameters, { weightDecay, betas, eps })
      : new Adam(parameters, { weightDecay, betas, eps });
    const twins = parameters.map((p) => ({
      w: Float64Array.from(values(p.name, p.size)),
      m: new Float64Array(p.size),
      v: new Float64Array(p.size),
    }));
    for (let t = 1; t <= 3; t++) {
      const lr = 0.01 / t;
      const grads = give(parameters, `step ${t}`);
      optimizer.step({ lr });
      optimizer.zeroGrad();
      const settings = { lr, betas, eps, weightDecay, decoupled };
      for (const [i, state] of twins.entries()) twin.adam(state, grads[i]!, t, settings);
    }
    for (const [i, w] of (await readAll(parameters)).entries()) compare(parameters[i]!.name, w, twins[i]!.w, 1e-6);
  });

  test.each([
    { nesterov: false, clip: 5 },
    { nesterov: true, clip: 5 },
    { nesterov: false, clip: 1e6 },
    { nesterov: false, clip: 0 },
  ])(
    "SGD with momentum, Nesterov $nesterov, clipped to $clip, against the float64 twin",
    async ({ nesterov, clip }) => {
      const parameters = leaves();
      const settings = { momentum: 0.9, nesterov, weightDecay: 5e-4 };
      const optimizer = new SGD(parameters, settings);
      const twins = parameters.map((p) => ({
        w: Float64Array.from(values(p.name, p.size)),
        m: new Float64Array(p.size),
      }));
      for (let t = 1; t <= 3; t++) {
        const grads = give(parameters, `step ${t}`);
        const norm = clip ? optimizer.clipGradNorm(clip) : undefined;
        optimizer.step({ lr: 0.1 });
        optimizer.zeroGrad();
        const want = twin.gradNorm(grads);
        if (norm) expect(Math.abs((await norm.item()) - want) / want).toBeLessThan(1e-6);
        const scale = clip ? Math.min(1, clip / (want + 1e-6)) : 1;
        for (const [i, { w, m }] of twins.entries()) {
          const clipped = grads[i]!.map((g) => g * scale);
          twin.sgd(w, m, clipped, { lr: 0.1, ...settings });
        }
      }
      for (const [i, w] of (await readAll(parameters)).entries()) compare(parameters[i]!.name, w, twins[i]!.w, 1e-6);
    },
  );

  test("averages of several workgroups, against the float64 twin", async () => {
    const parameters = leaves();
    const ema = new Ema(parameters);
    const twins = parameters.map((p) => Float64Array.from(values(p.name, p.size)));
    for (const [t, decay] of [0.9, 0.3].entries()) {
      for (const [i, p] of parameters.entries()) {
        const w = values(`${t} ${p.name}`, p.size);
        p.write(w);
        twin.ema(twins[i]!, w, decay);
      }
      ema.update(decay);
    }
    for (const [i, x] of (await readAll(ema.stateDict().values())).entries())
      compare(parameters[i]!.name, x, twins[i]!, 1e-6);
  });

  test("why: PyTorch divides by the norm plus 1e-6, which small gradients feel", async () => {
    const [w, g, most] = [tensor([1]).requiresGrad("w"), Math.fround(2e-6), 1e-6];
    const optimizer = new SGD([w]);
    backward(w, tensor([g]));
    optimizer.clipGradNorm(most);
    optimizer.step({ lr: 1e5 });
    const got = 1 - (await w.item());
    const want = (1e5 * g * most) / (g + 1e-6);
    expect(Math.abs(got / want - 1)).toBeLessThan(1e-5);
  });

  test("why: the norm of a bucket longer than one turn of all threads, the same bits twice", async () => {
    const n = 600_007;
    const big = tensor(values("big", n), [n]).requiresGrad("big");
    const optimizer = new SGD([big]);
    const [g] = give([big], "big");
    const [one, two] = [await optimizer.clipGradNorm(1).item(), await optimizer.clipGradNorm(2).item()];
    expect(one).toBe(two);
    const want = twin.gradNorm([g!]);
    expect(Math.abs(one - want) / want).toBeLessThan(2e-6);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "why: one gradient of %s must not reach weights, moments or averages, then or later",
    async (bad) => {
      const parameters = leaves();
      const adam = new Adam(parameters);
      const ema = new Ema(parameters);
      const step = () => {
        adam.step({ lr: 0.1 });
        adam.zeroGrad();
        ema.update(0.5);
      };
      give(parameters, "good");
      step();
      await adam.check();
      const [weights, state, averages] = [
        await readAll(parameters),
        await hostOf(adam.stateDict()),
        await hostOf(ema.stateDict()),
      ];

      give(parameters, "bad");
      const spoilt = values("bad d", 21);
      spoilt[20] = bad;
      if (Number.isNaN(bad)) new Uint32Array(spoilt.buffer)[20] = 0x7fc00001; // a NaN may carry any bits
      backward(parameters[1]!, tensor(spoilt, [3, 7]));
      step();
      give(parameters, "good again");
      step();
      give(parameters, "bad again", Number.NaN); // the first is the one to name
      step();
      await expect(adam.check()).rejects.toThrow(TrainingStopped);
      await expect(adam.check()).rejects.toThrow("The gradient of update 2 is not finite");
      expect(await readAll(parameters)).toEqual(weights);
      expect(await hostOf(adam.stateDict())).toEqual(state); // the step count too
      expect(await hostOf(ema.stateDict())).toEqual(averages);
    },
  );
});

test.each(["adam", "sgd"])("%s: how many vec4's a thread takes changes no bit", async (name) => {
  const n = 2112; // a multiple of 64, as a bucket is, and no whole number of workgroups
  const settings: Params = {
    adam: { rate: 0.01, shrink: 0.1, l2: 0.2, gain1: 0.1, beta2: 0.99, gain2: 0.01, root: 2, eps: 0.1 },
    sgd: { lr: 0.1, momentum: 0.9, l2: 0.2 },
  }[name]!;
  const after: Float32Array[][] = [];
  for (const VECS of [1, 2, 4]) {
    const [w, m, dw] = ["w", "m", "dw"].map((x) => tensor(values(x, n)));
    const v: Record<string, Tensor> = name === "adam" ? { v: tensor(values("v", n).map(Math.abs)) } : {};
    const health = zeros([4], "u32");
    health.write(new Uint32Array(Float32Array.of(1, 1, 0, 0).buffer)); // norm, scale, not stopped
    const launch = { workgroups: Math.ceil(n / (256 * VECS)), constants: { VECS } };
    kernel(name).run({ w: w!, m: m!, dw: dw!, health, ...v }, { n, ...settings }, launch);
    after.push(await readAll([w!, m!, ...Object.values(v)]));
    for (const x of [w!, m!, dw!, health, ...Object.values(v)]) x.dispose();
  }
  expect(after[1]).toEqual(after[0]);
  expect(after[2]).toEqual(after[0]);
});

test("why: a resumed run must go on with the same bits", async () => {
  const run = async (parameters: Tensor[], adam: Adam, ema: Ema, from: number, to: number) => {
    for (let t = from; t < to; t++) {
      give(parameters, `step ${t}`);
      adam.step({ lr: 0.01 });
      adam.zeroGrad();
      ema.update(0.9);
    }
    return [...(await readAll(parameters)), ...(await readAll(ema.stateDict().values()))];
  };
  const whole = leaves();
  const want = await run(whole, new Adam(whole), new Ema(whole), 0, 5);

  const first = leaves();
  const [adam, ema] = [new Adam(first), new Ema(first)];
  await run(first, adam, ema, 0, 2);
  const [weights, state, averages] = [
    await readAll(first),
    await hostOf(adam.stateDict()),
    await hostOf(ema.stateDict()),
  ];
  expect([...state.keys()].slice(0, 2)).toEqual(["exp_avg.a", "exp_avg.b"]);

  const second = leaves("other ");
  const [adam2, ema2] = [new Adam(second), new Ema(second)];
  for (const [i, p] of second.entries()) p.write(weights[i]!);
  adam2.load(state);
  ema2.load(averages);
  expect(adam2.updates).toBe(2);
  expect(await run(second, adam2, ema2, 2, 5)).toEqual(want);
});

test("why: a state of another net is refused whole", async () => {
  const parameters = leaves();
  const adam = new Adam(parameters);
  give(parameters, "x");
  adam.step({ lr: 0.1 });
  const before = await hostOf(adam.stateDict());
  const other = new Map(before);
  other.delete("exp_avg.c");
  other.set("exp_avg.b", { shape: [7, 3], dtype: "f32", data: new Float32Array(21) });
  other.set("exp_avg.q", { shape: [1], dtype: "f32", data: new Float32Array(1) });
  expect(() => adam.load(other)).toThrow(
    /9 of 11 tensors match[\s\S]*missing {2}exp_avg.c\n[\s\S]*unknown {2}exp_avg.q\n[\s\S]*exp_avg.b is \(3, 7\), the file has \(7, 3\)/,
  );
  expect(await hostOf(adam.stateDict())).toEqual(before);
});

test("why: previews use the averages, training must go on with the weights", async () => {
  const parameters = leaves();
  const adam = new Adam(parameters);
  const ema = new Ema(parameters);
  const start = await readAll(parameters);
  give(parameters, "x");
  adam.step({ lr: 0.1 });
  ema.stateDict(); // views made before the swap must not be used after it
  const trained = await readAll(parameters);
  ema.swap();
  expect(await readAll(parameters)).toEqual(start);
  expect(() => adam.step({ lr: 0.1 })).toThrow("swap() them back");
  expect(() => ema.update(0.5)).toThrow("swap() them back");
  expect(() => ema.stateDict()).toThrow("swap() them back");
  ema.swap();
  expect(await readAll(parameters)).toEqual(trained);
  expect(await readAll(ema.stateDict().values())).toEqual(start);

  const copy = leaves("copy ");
  ema.copyTo(copy);
  expect(await readAll(copy)).toEqual(start);
  expect(() => ema.copyTo(copy.slice(1))).toThrow("4 parameters do not fit 5 averages");
});
