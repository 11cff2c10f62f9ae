// Every rung of the ladders is right, at sizes that no tile divides.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Case, worst } from "../../bench/case.js";
import { attentionRungs } from "../../bench/ladder/attention.js";
import { conv2dRungs } from "../../bench/ladder/conv2d.js";
import { matmulRungs } from "../../bench/ladder/matmul.js";
import { softmaxRungs } from "../../bench/ladder/softmax.js";
import { type Device, openDevice } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const ladders: [string, () => Case[]][] = [
  ["matmul, edges of every tile", () => matmulRungs(37, 44, 20)],
  ["conv2d, borders and a last group that is not full", () => conv2dRungs(2, 8, 12, 12)],
  ["softmax, rows past a workgroup", () => softmaxRungs(67, 68)],
  ["attention, several heads and items", () => attentionRungs(2, 3, 20)],
];

test.each(ladders)("%s", async (_, make) => {
  await scope(async () => {
    for (const { name, why, run, check, allowed } of make()) {
      expect(why, `${name}: a sentence of its own`).toMatch(/^\S+( \S+){4,}$/);
      expect(worst(await scope(() => check(run()))), name).toBeLessThanOrEqual(allowed);
    }
  });
});
