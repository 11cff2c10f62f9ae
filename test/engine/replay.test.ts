// Recorded calls: the same bits as plain ones, whatever has changed between them, or a message.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Device, type Family, openDevice } from "../../engine/device.js";
import { UifaceError } from "../../engine/errors.js";
import { add, mul } from "../../engine/ops/binary.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { dropout } from "../../engine/ops/dropout.js";
import { matmul } from "../../engine/ops/matmul.js";
import { rand } from "../../engine/ops/random.js";
import { sum } from "../../engine/ops/reduce.js";
import { silu } from "../../engine/ops/unary.js";
import { Adam, Ema } from "../../engine/optim.js";
import { runElements } from "../../engine/parts.js";
import { type Rng, random } from "../../engine/random.js";
import { type Argument, type Replay, type Results, replay } from "../../engine/replay.js";
import { keep, scope } from "../../engine/scope.js";
import { kernel } from "../../engine/shader.js";
import { backward, noGrad } from "../../engine/tape.js";
import { Tensor, tensor, zeros } from "../../engine/tensor.js";
import { unets } from "../../models/configs.js";
import { linear } from "../../models/schedule.js";
import { UNet } from "../../models/unet.js";
import { ddimJumps } from "../../sample/ddim.js";
import { type TwoStageStep, twoStage } from "../../sample/two-stage.js";
import { type Batch, diffusionDefaults, drawBatch, gradientStep, noiseLoss } from "../../train/diffusion.js";

let dev: Device;
beforeEach(async () => {
  dev = await openDevice({ poison: true });
});
afterEach(() => dev.close());

const values = (key: string, ...shape: number[]) =>
  tensor(random(7, key).normals(shape.reduce((a, b) => a * b)), shape);
const bits = async (x: Tensor) => [...new Uint32Array((await x.read()).buffer)];

/** Compares a plain call and a recorded one bit by bit, `calls` times, each time with other arguments. */
async function compare<A extends readonly Argument[], R extends Results>(
  work: (...args: A) => R,
  step: Replay<A, R>,
  argsOf: (call: number) => NoInfer<A>,
  calls = 6,
): Promise<void> {
  for (let call = 0; call < calls; call++) {
    const run = (f: (...args: A) => R) =>
      scope(async () => {
        const results = f(...argsOf(call));
        return Promise.all((results instanceof Tensor ? [results] : Object.values(results)).map((x) => bits(x!)));
      });
    expect(await run((...args) => step.run(...args)), `call ${call}`).toEqual(await run(work));
  }
}

/** Two layers whose intermediate results take memory of the pool. */
const layers = (w: Tensor) => (x: Tensor) => silu(matmul(silu(matmul(x, w)), w));
const xOf = (call: number): [Tensor] => [values(`x${call}`, 4, 8)];

describe("the same bits as a plain call", () => {
  test("why: each call has its own tensors, numbers of arrays and random numbers", async () => {
    const w = values("w", 8, 8);
    const work = (x: Tensor, t: number[], rng: Rng) => {
      const scales = tensor(() => t, [t.length, 1]);
      const noise = rand([4, 8], rng);
      const flags = tensor(() => Float32Array.from(rng.bernoulli(0.5, 8)), [8]);
      const twin = rng.copy();
      return { y: add(dropout(mul(matmul(x, w), scales), 0.5, rng), mul(noise, flags)), other: rand([8], twin), noise };
    };
    const step = replay(work);
    const argsOf = (call: number): [Tensor, number[], Rng] => [...xOf(call), [call, 2, 3, -call], random(call, "rng")];
    await compare(work, step, argsOf);
    expect(step.replayed).toBe(3);
  });

  test("why: a stream goes on after a call from where a plain call leaves it", () => {
    const [a, b] = [random(3), random(3)];
    const work = (rng: Rng) => rand([4], rng);
    const step = replay(work);
    for (let call = 0; call < 5; call++) {
      work(a);
      step.run(b);
    }
    expect(b.key()).toEqual(a.key());
  });

  test("why: what others do with memory between two calls must not meet what the call left there", async () => {
    const w = values("w", 8, 8);
    const step = replay(layers(w));
    const others: Tensor[] = [];
    await compare(layers(w), step, (call) => {
      for (let i = 0; i < 8; i++) others.push(keep(values(`other${call}`, 4, 8)));
      return xOf(call);
    });
    for (const [i, x] of others.entries()) expect(await bits(x)).toEqual(await bits(values(`other${i >> 4}`, 4, 8)));
  });

  test("why: another shape or another constant is another call, and one inside another a part of it", async () => {
    const inner = replay((x: Tensor, factor: number) => mul(x, factor));
    const work = (x: Tensor, factor: number) => inner.run(silu(x), factor);
    const step = replay(work);
    const argsOf = (call: number): [Tensor, number] => [values(`x${call}`, 4, call % 4 ? 8 : 12), call < 8 ? 2 : 3];
    await compare(work, step, argsOf, 12);
    expect(step.replayed).toBe(5);
  });

  test("why: a profile must see every kernel, and an inspector every run", async () => {
    const step = replay(layers(values("w", 8, 8)));
    const [x] = xOf(0);
    const names = async () => (await dev.profile(() => void scope(() => step.run(x)))).map((t) => t.kernel);
    const first = await names();
    for (let call = 0; call < 4; call++) expect(await names()).toEqual(first);
    expect(step.replayed).toBe(2);
    const seen: string[] = [];
    dev.inspect = ({ label }) => seen.push(label);
    step.run(x);
    dev.inspect = undefined;
    expect(seen).toEqual(first);
    expect(step.replayed).toBe(2);
  });
});

describe("what changes between two calls", () => {
  test("why: weights are read where they lie now, also after they moved to an optimiser or its averages", async () => {
    const w = values("w", 8, 8).requiresGrad("w");
    const work = (x: Tensor) => noGrad(() => layers(w)(x));
    const step = replay(work);
    const next = () => compare(work, step, xOf, 2);
    for (let i = 0; i < 3; i++) await next();
    w.write(random(7, "new").normals(64));
    await next();
    new Adam([w]);
    await next();
    const ema = new Ema([w]);
    w.write(random(7, "newer").normals(64));
    await next();
    ema.swap();
    await next();
    ema.swap();
    await next();
    expect(step.replayed).toBe(8);
  });

  test("why: a transformed weight that was kept must not be used after the weight has changed", async () => {
    const w = tensor(random(7, "w").normals(144), [4, 4, 3, 3], "f32", "channels_last").requiresGrad("w");
    const work = (x: Tensor) => noGrad(() => conv2d(x, w, undefined, { padding: 1, form: 4 }));
    const step = replay(work);
    const images = (call: number): [Tensor] => [values(`x${call}`, 1, 4, 6, 6)];
    for (let i = 0; i < 3; i++) {
      w.write(random(7, `w${i}`).normals(144));
      await compare(work, step, images, 6);
      expect(dev.kept.bytes).toBeGreaterThan(0);
    }
    expect(step.replayed).toBeGreaterThan(3);
  });

  test("why: a call that writes a weight drops what was made from it, as kernels do", async () => {
    const w = tensor(random(7, "w").normals(144), [4, 4, 3, 3], "f32", "channels_last").requiresGrad("w");
    const conv = (x: Tensor) => noGrad(() => conv2d(x, w, undefined, { padding: 1, form: 4 }));
    const [x] = [values("x", 1, 4, 6, 6)];
    const grow = replay((by: Tensor) => {
      runElements(kernel("add_into"), { x: by, y: w });
      return sum(by);
    });
    for (let call = 0; call < 6; call++) {
      for (let i = 0; i < 3; i++) conv(x);
      grow.run(values(`by${call}`, 4, 4, 3, 3));
      const copy = tensor(await w.read(), [4, 4, 3, 3], "f32", "channels_last");
      expect(await bits(conv(x)), `call ${call}`).toEqual(
        await bits(conv2d(x, copy, undefined, { padding: 1, form: 4 })),
      );
    }
    expect(grow.replayed).toBe(3);
  });

  test("why: a gradient that is there is added to, and one that is stale overwritten", async () => {
    const [w, v] = [values("w", 8, 8).requiresGrad("w"), values("w", 8, 8).requiresGrad("v")];
    const loss = (of: Tensor) => (x: Tensor) => {
      const y = sum(mul(layers(of)(x), x));
      backward(y);
      return y;
    };
    const step = replay(loss(w));
    for (let call = 0; call < 12; call++) {
      scope(() => step.run(...xOf(call)));
      scope(() => loss(v)(...xOf(call)));
      expect(await bits(w.grad!), `call ${call}`).toEqual(await bits(v.grad!));
      if (call >= 4 && call !== 6 && call !== 8) w.gradIsStale = v.gradIsStale = true;
    }
    expect(step.replayed).toBeGreaterThan(3);
  });

  test("why: a weight that was freed must not be used for ever", () => {
    let w = values("w", 8, 8);
    const step = replay((x: Tensor) => layers(w)(x));
    const [x] = xOf(0);
    for (let i = 0; i < 4; i++) step.run(x);
    w.dispose();
    expect(() => step.run(x)).toThrow(/used after its scope closed/);
    w = values("w2", 8, 8);
    step.run(x);
    expect(step.replayed).toBe(1);
  });

  test("why: a lost GPU is an error at the next call", () => {
    const step = replay(layers(values("w", 8, 8)));
    const [x] = xOf(0);
    for (let i = 0; i < 4; i++) step.run(x);
    dev.fail(new UifaceError("lost"));
    expect(() => step.run(x)).toThrow("lost");
  });
});

describe("refused", () => {
  const w = () => values("w", 8, 8).requiresGrad("w");
  const cases: [string, RegExp, () => void][] = [
    ["an upload", /an upload would be that of the first call/, () => replay(() => tensor([1, 2])).run()],
    ["an array's value", /a value of an array/, () => replay((t: number[]) => zeros([t[0]!])).run([2])],
    ["the host's draw", /drawn by the host/, () => replay((rng: Rng) => zeros([rng.integer(1, 3)])).run(random(0))],
    ["a stream of its own", /that is no argument/, () => replay(() => rand([4], random(0))).run()],
    ["a wait", /wait for nothing/, () => replay((async () => zeros([1])) as unknown as () => Tensor).run()],
    ["an argument's gradient", /wants a gradient/, () => replay((x: Tensor) => silu(x)).run(w())],
    [
      "an update",
      /rate and number of an update/,
      () => {
        const adam = new Adam([w()]);
        replay(() => {
          adam.step({ lr: 1 });
          return zeros([1]);
        }).run();
      },
    ],
    [
      "an average",
      /decay of an average/,
      () => {
        const ema = new Ema([w()]);
        replay(() => {
          ema.update(0.5);
          return zeros([1]);
        }).run();
      },
    ],
  ];
  test.each(cases)("%s", (_, message, run) => {
    expect(run).toThrow(message);
    expect(() => values("after", 4)).not.toThrow(); // nothing is recorded any more
  });
});

test("why: a read inside a call is refused, not answered with the first call's values for ever", async () => {
  const x = zeros([1]);
  let read: Promise<unknown> | undefined;
  replay(() => {
    read = x.read();
    return x;
  }).run();
  await expect(read).rejects.toThrow(/what is read back/);
});

test("why: a recording holds as much as the call needs at once, and dispose() gives all back", () => {
  const w = values("w", 64, 64);
  const [x] = [values("x", 64, 64)];
  const deep = (x: Tensor) => Array.from({ length: 20 }).reduce<Tensor>((y) => silu(y), matmul(x, w));
  const { liveBytes } = dev.pool;
  const step = replay((x: Tensor) => scope(() => deep(x)));
  dev.pool.resetPeak();
  for (let call = 0; call < 5; call++) scope(() => void step.run(x));
  expect(dev.pool.liveBytes - liveBytes).toBeGreaterThan(0);
  const all = dev.pool.peakBytes;
  dev.pool.trim();
  scope(() => void step.run(x));
  expect(dev.pool.peakBytes).toBe(all);
  step.dispose();
  expect(dev.pool.liveBytes).toBe(liveBytes);
});

/** A smaller net on latents of 8 x 8, of which half of the contexts are dropped out. */
const config = {
  ...unets.tiny,
  ...{ initial_channels: 16, channel_multipliers: [1, 2], is_attention: [false, true], norm_groups: 4 },
  ...{ context_dropout_probability: 0.5, unconditioned_probability: 0.5, attention_head_channels: 16 },
};
const settings = { ...diffusionDefaults, batch: 2 };
const data = (() => {
  const rng = random(0, "replay");
  return { z: rng.normals(2 * 4 * 192), shape: [3, 8, 8], contexts: rng.normals(4 * 128), dim: 128, count: 4 };
})();

/** Trains; the losses of all steps and the bits of all weights. */
async function trained(gradients: (unet: UNet) => (...batch: Batch) => Tensor) {
  const unet = new UNet(config).init(0);
  const adam = new Adam(unet.parameters());
  const step = gradients(unet);
  const losses: Tensor[] = [];
  for (let number = 0; number < 6; number++) {
    losses.push(scope(() => step(...drawBatch(data, settings, number))));
    adam.clipGradNorm(5);
    adam.step({ lr: 1e-3 / (number + 1) });
    adam.zeroGrad();
  }
  const weights = adam.flat.buckets.map((bucket) => bucket.weights);
  return Promise.all([...losses, ...weights].map(bits));
}

describe.each<Family>(["broadcast", "tiled"])("a training step, %s family", (family) => {
  test("why: dropout, masks, noise and rates differ in every step, and nothing else does", async (context) => {
    if (family === "broadcast" && dev.family !== family) context.skip();
    dev.family = family;
    let step: ReturnType<typeof gradientStep> | undefined;
    const recorded = await trained((unet) => {
      step = gradientStep(unet, settings);
      return (...batch) => step!.run(...batch);
    });
    expect(step!.replayed).toBe(3);
    const plain = await trained((unet) => (...batch) => {
      const loss = noiseLoss(unet, batch, settings);
      backward(loss);
      return loss;
    });
    expect(recorded).toEqual(plain);
  });
});

test("why: sampling gives the same images with recorded calls, rows that switch early included", async () => {
  const unet = new UNet(config).init(0);
  for (const p of unet.parameters())
    p.write(
      random(7, p.name)
        .normals(p.size)
        .map((v) => 0.1 * v),
    );
  const [x, c] = [values("x", 3, 3, 8, 8), values("c", 3, 128)];
  const jumps = ddimJumps(linear().alphaBars, 14);
  const run = (threshold: number) =>
    scope(async () => {
      const changes: number[] = [];
      const onStep = ({ d }: TwoStageStep) => void changes.push(...(d ?? []));
      const { x: y, conditionedFrom } = await twoStage(unet, x, c, jumps, { threshold, onStep });
      return { y: await bits(y), conditionedFrom, changes };
    });
  let threshold = 0;
  for (const rounds of [1, 2]) {
    const recorded = await run(threshold);
    dev.inspect = () => {}; // then every call is made
    expect(recorded).toEqual(await run(threshold));
    dev.inspect = undefined;
    expect(new Set(recorded.conditionedFrom).size > 1, "some switch early").toBe(rounds === 2);
    threshold = recorded.changes.sort((a, b) => a - b)[recorded.changes.length >> 1]!;
  }
});
