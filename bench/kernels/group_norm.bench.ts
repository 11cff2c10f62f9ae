// Group norm with SiLU, 32 groups, channels_last: four shapes of the nets.

import { groupNorm } from "../../engine/ops/group_norm.js";
import { keep } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { type Case, type Filled, filled, type Group, type Pair, type PerAdapter } from "../case.js";

/** Of the UNet; 3 to 24 channels each, so that few groups fill whole vec4f's. */
const GROUPS = 32;
const EPS = 1e-5;

/** Reference kernels, milliseconds forward and backward. */
const shapes: { shape: [number, number, number, number]; forward: PerAdapter; backward: PerAdapter }[] = [
  {
    shape: [8, 192, 16, 16],
    forward: { lavapipe: 0.9, swiftshader: 2.2 },
    backward: { lavapipe: 1.4, swiftshader: 4 },
  },
  {
    shape: [8, 96, 32, 32],
    forward: { lavapipe: 1.8, swiftshader: 3.1 },
    backward: { lavapipe: 2.8, swiftshader: 6.5 },
  },
  {
    shape: [1, 128, 128, 128],
    forward: { lavapipe: 2.4, swiftshader: 7.6 },
    backward: { lavapipe: 4, swiftshader: 17 },
  },
  {
    shape: [8, 768, 4, 4],
    forward: { lavapipe: 0.6, swiftshader: 1.1 },
    backward: { lavapipe: 0.9, swiftshader: 2.2 },
  },
];

/** Forward alone, then forward and backward: the gradient needs the sums of the forward pass. */
function cases({ shape, forward, backward: back }: (typeof shapes)[number]): Case[] {
  const [, C] = shape;
  const [x, dy] = [filled(shape, 1, "channels_last"), filled(shape, 2, "channels_last")];
  const [w, b] = [tensor(new Float32Array(C).fill(1), [C]), tensor(new Float32Array(C), [C])];
  const leaf = keep(x.t.alias()).requiresGrad("x");
  const norm = (from: Tensor) => groupNorm(from, GROUPS, w, b, { eps: EPS, silu: true });
  const name = `group norm + SiLU ${shape.join("x")}`;
  return [
    {
      name,
      work: { bytes: 12 * x.t.size }, // x twice, y
      floor: { reached: forward },
      allowed: 2e-5,
      run: () => norm(x.t),
      check: async (y) => firstGroup(x, dy, await y.read()).map(({ got, y }): Pair => [got, y]),
    },
    {
      name: `${name}, with gradient`,
      work: { bytes: 32 * x.t.size }, // the forward pass; x, dy twice, dx
      floor: {
        reached: {
          lavapipe: forward.lavapipe + back.lavapipe,
          swiftshader: forward.swiftshader + back.swiftshader,
        },
      },
      allowed: 2e-5,
      run: () => {
        leaf.gradIsStale = true;
        backward(norm(leaf), dy.t);
        return leaf.grad!;
      },
      check: async (y) => firstGroup(x, dy, await y.read()).map(({ got, dx }): Pair => [got, dx]),
    },
  ];
}

/** y and dx of the first group of the first image, with unit weights and no bias, in float64. */
function firstGroup(x: Filled, dy: Filled, got: ArrayLike<number>): { got: number; y: number; dx: number }[] {
  const [, C, H, W] = x.t.shape as [number, number, number, number];
  const n = (C / GROUPS) * H * W;
  const v = Array.from(x.v.subarray(0, n));
  const mean = v.reduce((a, b) => a + b) / n;
  const rstd = 1 / Math.sqrt(v.reduce((a, b) => a + (b - mean) ** 2, 0) / n + EPS);
  const z = v.map((a) => (a - mean) * rstd);
  const s = z.map((a) => 1 / (1 + Math.exp(-a)));
  const d = z.map((a, i) => dy.v[i]! * (s[i]! + a * s[i]! * (1 - s[i]!)));
  const sumD = d.reduce((a, b) => a + b) / n;
  const sumDz = d.reduce((a, b, i) => a + b * z[i]!, 0) / n;
  return z.map((a, i) => ({ got: got[i]!, y: a * s[i]!, dx: rstd * (d[i]! - sumD - a * sumDz) }));
}

export const groupNormGroup: Group = { stem: "group_norm", make: () => shapes.flatMap(cases) };
