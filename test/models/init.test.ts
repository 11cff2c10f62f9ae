// First values of every parameter, kind by kind, against the published initialisation. A net is shapes and an init is a function
// of a stream of random numbers, so no GPU is needed; what it makes is the same there and here.

import { describe, expect, test } from "vitest";
import type { Module, Parameter } from "../../engine/nn.js";
import { random } from "../../engine/random.js";
import { type Shape, sizeOf } from "../../engine/tensor.js";
import { unets, vqgans } from "../../models/configs.js";
import { Discriminator } from "../../models/discriminator.js";
import { AdaFace, ArcFace, CosFace, CurricularFace } from "../../models/heads.js";
import { Inception } from "../../models/inception.js";
import { backbones } from "../../models/iresnet.js";
import { UNet } from "../../models/unet.js";
import { Vgg16 } from "../../models/vgg16.js";
import { VqGan } from "../../models/vqgan.js";

type Expected = number | { uniform: number } | { normal: number; around?: number };

/** Of one kind of parameter: which names, and the values, which may depend on its own shape and its weight's. */
type Row = [name: RegExp, expected: (shape: Shape, weight: Shape) => Expected];

const fanIn = (weight: Shape) => sizeOf(weight.slice(1));
const standard: Row = [/./, (_, weight) => ({ uniform: 1 / Math.sqrt(fanIn(weight)) })];
const kaimingOut = (shape: Shape): Expected => ({ normal: Math.sqrt(2 / (shape[0]! * sizeOf(shape.slice(2)))) });

const batchNorm: Row[] = [
  [/(?:bn\d?|_layer\.\d|downsample\.1|features)\.running_mean$/, () => 0],
  [/\.running_var$/, () => 1],
];

/** The first row that fits a name counts. */
const nets: Record<string, { make: () => Module; rows: Row[] }> = {
  "the UNet": {
    make: () => new UNet(unets.unet_cond_ca_cpd25_uncond20),
    rows: [
      [/^empty_context_embedding$/, () => ({ normal: 1 })],
      [/(?:\.conv2|\.x_proj_out|^final)\.(?:weight|bias)$/, () => 0],
      [/(?:^|\.|_)norm\d?\.weight$/, () => 1],
      [/(?:^|\.|_)norm\d?\.bias$/, () => 0],
      standard,
    ],
  },
  "vq-f4": {
    make: () => new VqGan(vqgans["vq-f4"]),
    rows: [
      [/^quantize\.embedding\.weight$/, ([count]) => ({ uniform: 1 / count! })],
      [/norm(?:\d|_out)?\.weight$/, () => 1],
      [/norm(?:\d|_out)?\.bias$/, () => 0],
      standard,
    ],
  },
  ir_50: {
    make: () => backbones.ir_50(),
    rows: [
      ...batchNorm,
      [/(?:input_layer\.2|res_layer\.3)\.weight$/, () => 0.25],
      [/(?:input_layer\.0|res_layer\.[14]|shortcut_layer\.0|output_layer\.3)\.weight$/, kaimingOut],
      [/^output_layer\.3\.bias$/, () => 0],
      [/\.weight$/, () => 1],
      [/\.bias$/, () => 0],
    ],
  },
  iresnet50: {
    make: () => backbones.iresnet50(),
    rows: [
      ...batchNorm,
      [/prelu\.weight$/, () => 0.25],
      [/(?:conv\d|downsample\.0)\.weight$/, () => ({ normal: 0.1 })],
      [/^fc\./, (_, weight) => ({ uniform: 1 / Math.sqrt(fanIn(weight)) })],
      [/\.weight$/, () => 1],
      [/\.bias$/, () => 0],
    ],
  },
  "the discriminator": {
    make: () => new Discriminator(),
    rows: [
      [/^main\.(?:0|2|5|8|11)\.weight$/, () => ({ normal: 0.02 })],
      [/^main\.(?:0|11)\.bias$/, (_, weight) => ({ uniform: 1 / Math.sqrt(fanIn(weight)) })],
      [/\.weight$/, () => ({ normal: 0.02, around: 1 })],
      [/\.(?:bias|running_mean)$/, () => 0],
      [/\.running_var$/, () => 1],
    ],
  },
  VGG16: {
    make: () => new Vgg16(),
    rows: [
      [/\.weight$/, kaimingOut],
      [/\.bias$/, () => 0],
    ],
  },
  "Inception-v3": {
    make: () => new Inception(),
    rows: [
      ...batchNorm,
      [/^AuxLogits\.fc\.weight$/, () => ({ normal: 0.001 })],
      [/(?:\.conv|^fc)\.weight$/, () => ({ normal: 0.1 })],
      [/fc\.bias$/, (_, weight) => ({ uniform: 1 / Math.sqrt(fanIn(weight)) })],
      [/\.weight$/, () => 1],
      [/\.bias$/, () => 0],
    ],
  },
};

/** Larger ones of a kind are left out: they would take seconds, and have smaller siblings. */
const MOST = 600_000;

describe.each(Object.entries(nets))("%s", (_, { make, rows }) => {
  test("why: every kind of layer starts as the authors' does", () => {
    const entries = make().entries();
    const shapes = new Map(entries.map(([name, p]) => [name, p.shape]));
    const seen = new Set<Row>();
    for (const [name, p] of entries) {
      const row = rows.find(([pattern]) => pattern.test(name))!;
      const values = firstValues(name, p, seen.has(row) ? MOST / 10 : 40 * MOST);
      if (!values) continue;
      seen.add(row);
      const weight = shapes.get(name.replace(/\.bias$/, ".weight"));
      check(name, values, row[1](p.shape, weight ?? p.shape));
    }
    expect(rows.filter((row) => !seen.has(row)).map(([pattern]) => pattern.source)).toEqual([]);
  });
});

function firstValues(name: string, p: Parameter, most: number): Float32Array | undefined {
  return sizeOf(p.shape) > most ? undefined : p.init(random(0, "init", name), p.shape);
}

/** Moments and ends of a sample, within five of their standard deviations. */
function check(name: string, given: Float32Array, expected: Expected): void {
  if (typeof expected === "number") {
    expect(
      given.every((v) => v === expected),
      `${name} is ${expected}`,
    ).toBe(true);
    return;
  }
  const x = "around" in expected ? given.map((v) => v - expected.around!) : given;
  const n = x.length;
  const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / n;
  const isUniform = "uniform" in expected;
  const variance = isUniform ? expected.uniform ** 2 / 3 : expected.normal ** 2;
  const kurtosis = isUniform ? 9 / 5 : 3;
  const [m, v] = [moment(1), moment(2)];
  expect(Math.abs(m), `${name}: mean`).toBeLessThan(5 * Math.sqrt(variance / n));
  expect(Math.abs(v / variance - 1), `${name}: variance`).toBeLessThan(5 * Math.sqrt((kurtosis - 1) / n));
  if (n < 1000) return;
  expect(Math.abs(moment(4) / v ** 2 / kurtosis - 1), `${name}: kurtosis`).toBeLessThan(20 / Math.sqrt(n));
  if (!isUniform) return;
  const most = x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(most, `${name}: bound`).toBeLessThanOrEqual(Math.fround(expected.uniform));
  expect(most, `${name}: bound`).toBeGreaterThan(expected.uniform * (1 - 20 / n));
}

describe("heads", () => {
  const [size, classes] = [512, 40];
  const value = (net: Module, name: string) => {
    const p = net.entries().find(([key]) => key === name)![1];
    return p.init(random(0, "init", name), p.shape);
  };

  test("why: class columns of N(0, 0.01), and a threshold that starts at 0", () => {
    for (const Head of [ArcFace, CosFace, CurricularFace])
      check(Head.name, value(new Head(size, classes), "kernel"), { normal: 0.01 });
    check("t", value(new CurricularFace(size, classes), "t"), 0);
  });

  test("why: AdaFace's columns have length 1, and its statistics start at 20 and 100", () => {
    const net = new AdaFace(size, classes);
    const w = value(net, "kernel");
    for (let j = 0; j < classes; j++) {
      let squares = 0;
      for (let i = 0; i < size; i++) squares += w[i * classes + j]! ** 2;
      expect(squares).toBeCloseTo(1, 5);
    }
    check("batch_mean", value(net, "batch_mean"), 20);
    check("batch_std", value(net, "batch_std"), 100);
  });
});
