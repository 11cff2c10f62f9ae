// Every value that a setting may have, in the operations it belongs to: the results are those of the portable setting, which
// the operations' own tests hold against float64. Sampled by a seed: each value at least once, beside others at random.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { conv3x3 } from "../../bench/conv3x3.js";
import { type Device, type Family, openDevice } from "../../engine/device.js";
import { correlate, leastWork, slide, spread } from "../../engine/ops/convolution.js";
import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { gemm } from "../../engine/ops/gemm.js";
import type { Conv, Gemm } from "../../engine/ops/gemm_plan.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { mse } from "../../engine/ops/loss.js";
import { nearestCode } from "../../engine/ops/nearest_code.js";
import { sum } from "../../engine/ops/reduce.js";
import { softmax } from "../../engine/ops/softmax.js";
import { silu } from "../../engine/ops/unary.js";
import { Adam, clipGradNorm } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { empty, type Layout, type Shape, type Tensor, tensor } from "../../engine/tensor.js";
import { portable, type Setting, settings, withSettings } from "../../engine/tuning/settings.js";
import { tileMisfit } from "../../engine/tuning/table.js";
import { compare } from "../check-op.js";

const SEED = 5;

type Changes = Record<string, number>;

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
const before = { tuning: portable, family: "tiled" as Family };
beforeEach(() => {
  Object.assign(before, { tuning: dev.tuning, family: dev.family });
  dev.tuning = portable;
});
afterEach(() => Object.assign(dev, before));
afterAll(() => dev.close());

/** Combinations of some settings of a group, few, but with every value that the adapter can run in one of them. */
function covering(family: Family, group: string, names?: readonly string[]): Changes[] {
  const specs = Object.entries((settings[family] as Record<string, Record<string, Setting>>)[group]!);
  const all = specs
    .filter(([name]) => names?.includes(name) ?? true)
    .reduce<Changes[]>(
      (some, [name, { values }]) =>
        values.flatMap((value) => some.map((c) => ({ ...c, [`${family}.${group}.${name}`]: value }))),
      [{}],
    )
    .filter((c) => !tileMisfit(withSettings(portable, c), dev.limits));
  const keys = random(SEED, `${family} ${group}`).uniforms(all.length);
  const order = [...all.keys()].sort((a, b) => keys[a]! - keys[b]!);
  const shuffled = order.map((i) => all[i]!).sort((a, b) => written(a) - written(b)); // what compiles fast comes first
  const seen = new Set<string>();
  const fresh = (c: Changes) => Object.entries(c).filter((e) => !seen.has(e.join(" ")));
  const chosen: Changes[] = [];
  for (;;) {
    const best = shuffled.reduce((a, b) => (fresh(b).length > fresh(a).length ? b : a));
    if (!fresh(best).length) return chosen;
    for (const e of fresh(best)) seen.add(e.join(" "));
    chosen.push(best);
  }
}

/** How much a tiled kernel writes out: multiply-adds of a thread. */
const written = (c: Changes): number =>
  Object.entries(c).reduce((n, [path, value]) => (/^tiled\..*\.(rn|rm|ku)$/.test(path) ? n * value : n), 1);

/** The covers of several groups side by side, the shorter ones from their start again. */
function together(covers: readonly Changes[][]): Changes[] {
  const length = Math.max(...covers.map((c) => c.length));
  return Array.from({ length }, (_, i) => Object.assign({}, ...covers.map((c) => c[i % c.length]!)) as Changes);
}

/** Runs `results` with the portable setting, on the cheaper kernels where there are two kinds, then with every change of it. */
async function sameWith(
  family: Family,
  changes: readonly Changes[],
  results: () => Promise<Record<string, ArrayLike<number>>>,
): Promise<void> {
  dev.family = hasBroadcast() ? "broadcast" : family;
  const want = await scope(results);
  dev.family = family;
  expect(changes.length).toBeGreaterThan(0);
  for (const change of changes) {
    dev.tuning = withSettings(portable, change);
    const got = await scope(results);
    for (const [name, values] of Object.entries(want))
      compare(`${name}, ${JSON.stringify(change)}`, got[name]!, values, 1e-5);
  }
}

function uniform(shape: Shape, key: string, layout: Layout = "plain"): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from(random(SEED, key).uniforms(n), (u) => 2 * u - 1),
    shape,
    "f32",
    layout,
  );
}

const hasBroadcast = () => dev.subgroupSize === 4 || dev.subgroupSize === 8;

/** Contiguity of k in a and in b: y = x w^T, dx = dy w, dw = dy^T x. */
async function product(
  rows: number,
  cols: number,
  depth: number,
  aK: boolean,
  bK: boolean,
): Promise<ArrayLike<number>> {
  const g: Gemm = {
    rows,
    cols,
    depth,
    a: { contiguous: aK, ld: aK ? depth : rows },
    b: { contiguous: bK, ld: bK ? depth : cols },
    out: { contiguous: true, ld: cols },
  };
  const out = empty([rows, cols]);
  gemm(g, { a: uniform([rows, depth], "a"), b: uniform([cols, depth], "b"), out });
  return out.read();
}

async function pass(name: "slide" | "spread" | "correlate", g: Conv): Promise<ArrayLike<number>> {
  const large = uniform([g.batch, g.largeChannels, ...g.large], "large", "channels_last");
  const small = uniform([g.batch, g.smallChannels, ...g.small], "small", "channels_last");
  const w = uniform([g.smallChannels, g.largeChannels, 3, 3], "w", "channels_last");
  if (name === "slide") slide(g, { x: large, w, y: small }, "direct");
  else if (name === "spread") spread(g, { x: small, w, y: large }, "direct");
  else correlate(g, { large, small, dw: w }, "direct");
  return (name === "slide" ? small : name === "spread" ? large : w).read();
}

/** Everything whose threads walk alone. */
async function walks(): Promise<Record<string, ArrayLike<number>>> {
  const image = uniform([3, 20, 9, 11], "image", "channels_last").requiresGrad("image");
  const [weight, bias] = [uniform([20], "weight"), uniform([20], "bias")];
  const dy = uniform([3, 20, 9, 11], "dy", "channels_last");
  backward(groupNorm(image, 5, weight, bias, { eps: 1e-5, silu: true }), dy);
  const labels = tensor(new Uint32Array([3, 7, 0, 4000, 9]), [5], "u32");
  const w = uniform([3001], "w").requiresGrad("w");
  w.grad = uniform([3001], "dw");
  const adam = new Adam([w]);
  const norm = await clipGradNorm([w], 0.5).read();
  adam.step({ lr: 0.01 });
  const read = {
    norm,
    adam: await w.read(),
    "group norm's gradient": await image.grad!.read(),
    "sum of channels": await sum(image, [0, 2, 3]).read(),
    "sum of rows": await sum(uniform([3, 5003], "rows"), 1).read(),
    "sum of everything": await sum(uniform([40_004], "all")).read(),
    mse: await mse(uniform([30_001], "p"), uniform([30_001], "q")).read(),
    softmax: await softmax(uniform([5, 777], "logits")).read(),
    "cross-entropy": await crossEntropy(uniform([5, 4001], "classes"), labels).read(),
    silu: await silu(uniform([5003], "x")).read(),
    "nearest code": await nearestCode(uniform([70, 4], "z"), uniform([33, 4], "codes")).read(),
  };
  adam.dispose();
  return read;
}

describe.each(["broadcast", "tiled"] as const)("%s kernels", (family) => {
  const runs = () => family === "tiled" || hasBroadcast();
  /** Settings of a product that make other kernels; the large tile is taken where 4 of it cover the output. */
  const forms = family === "tiled" ? ["tn", "tm", "rn", "rm", "tk", "ku", "buffers"] : undefined;
  const coversOf = (group: string) =>
    covering(family, group, forms).map((c) => (forms ? { ...c, [`tiled.${group}.workgroups`]: 4 } : c));

  test("products", async ({ skip }) => {
    if (!runs()) skip();
    await sameWith(family, coversOf("matmul"), async () => ({
      "x w^T": await product(132, 132, 20, true, true),
      ...(family === "broadcast" && {
        "dy w": await product(132, 260, 20, true, false),
        "dy^T x": await product(260, 132, 36, false, false),
        "x w^T, few rows": await product(3, 132, 36, true, true),
      }),
    }));
  });

  test("convolutions", async ({ skip }) => {
    if (!runs()) skip();
    // Tiled kernels take seconds to compile in software, and share the code of their tiles with the products above.
    const some = (group: string) => coversOf(group).slice(0, forms ? 1 : undefined);
    await sameWith(family, together([some("conv"), some("conv_weight")]), async () => ({
      forward: await pass("slide", conv3x3(2, 4, 132, 9)),
      "weight gradient": await pass("correlate", conv3x3(1, 16, 132, 9)),
      ...(family === "broadcast" && { "input gradient": await pass("spread", conv3x3(2, 132, 4, 9)) }),
    }));
  });

  test("operations whose threads walk alone", async ({ skip }) => {
    if (!runs()) skip();
    const groups = Object.keys(settings[family]).filter((g) => !/matmul|conv|winograd/.test(g));
    await sameWith(family, together(groups.map((g) => covering(family, g))), walks);
  });
});

test("splits of the tiled family: a long sum of few outputs", async () => {
  await sameWith("tiled", covering("tiled", "matmul", ["workgroups", "splitDepth", "maxSplits"]), async () => ({
    product: await product(8, 8, 2052, true, true),
  }));
});

test("Winograd's settings say which form is taken: the more a transform costs, the fewer", () => {
  const g = conv3x3(8, 192, 192, 16);
  const form = (changes: Changes) => leastWork(g, "slide", 4, withSettings(portable, changes).broadcast);
  expect(form({})).toBe(4);
  expect(form({ "broadcast.winograd.moved": 45, "broadcast.winograd.gain": 0.5 })).toBe("direct");
});
