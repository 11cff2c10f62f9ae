// What the stages of `npm run gpu` measure is right, at sizes that nothing divides; so are the plans and numbers around it.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Case, worst } from "../../bench/case.js";
import { streams } from "../../bench/gpu/bandwidth.js";
import { passes } from "../../bench/gpu/conv.js";
import { half } from "../../bench/gpu/f16.js";
import { sizeFor } from "../../bench/gpu/matmul.js";
import { summaryOf } from "../../bench/gpu/report.js";
import type { StageResult } from "../../bench/gpu/run-stage.js";
import { batchFor } from "../../bench/gpu/step.js";
import { fits, products } from "../../bench/gpu/tiles.js";
import { type Device, openDevice } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";

const LIMIT_MS = 300_000; // seconds where nothing else runs

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

const conv = { side: 6, count: 1, L: 8, S: 12 };
const groups: [string, () => Case[]][] = [
  ["convolution 3 x 3", () => passes({ ...conv, kernel: 3, stride: 1 }, 2)],
  ["convolution 3 x 3, stride 2", () => passes({ ...conv, kernel: 3, stride: 2 }, 2)],
  ["convolution 4 x 4, stride 2", () => passes({ ...conv, kernel: 4, stride: 2 }, 2)],
  // Few and small ones: a tile is a pipeline that takes seconds to compile in software. test/engine/tiled.test.ts has the traps.
  [
    "tiles past their edges, a planned one, splits",
    () =>
      products({ rows: 33, cols: 36, depth: 100 }, [
        {},
        { tile: { TN: 32, TM: 32, RN: 4, RM: 4, TK: 32, BUFFERS: 2 }, splits: 3 },
      ]),
  ],
  ["streams of every type", () => streams(dev, 2 ** 14).make()],
];

test.each(groups)("why: a fast wrong kernel would lead the report: %s", { timeout: LIMIT_MS }, async (_, make) => {
  await scope(async () => {
    for (const { name, run, check, allowed } of make())
      expect(worst(await scope(() => check(run()))), name).toBeLessThanOrEqual(allowed);
  });
});

test("why: half-precision bits are read without the adapter's help", () => {
  const numbers = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000].map(half);
  expect(numbers).toEqual([1, -2, 65_504, 2 ** -24, 2 ** -14, -0]);
  expect([half(0x7c00), half(0xfc00), half(0x7e00)]).toEqual([Infinity, -Infinity, Number.NaN]);
});

test("why: a tile that the adapter cannot hold must not be asked of it", () => {
  const limits = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16_384 };
  expect(fits({ TN: 128, TM: 128, RN: 8, RM: 8 }, limits)).toBe(true);
  expect(fits({ TN: 128, TM: 128, RN: 8, RM: 8, BUFFERS: 2 }, limits)).toBe(false);
  expect(fits({ TN: 128, TM: 128, RN: 8, RM: 4 }, limits)).toBe(false);
});

describe("sizes follow the card", () => {
  const card = { software: false, quick: false };
  test("why: a driver ends what runs for two seconds, and nobody waits a minute for a step", () => {
    expect([60_000, 8000, 1000, 100].map((rate) => sizeFor(card, rate))).toEqual([4096, 4096, 2048, 512]);
    expect([60_000, 8000, 1000, 100].map((rate) => batchFor(card, rate))).toEqual([64, 64, 4, 1]);
    expect(sizeFor({ ...card, software: true }, 60_000)).toBe(256);
  });
});

describe("summary", () => {
  const stage = (name: string, rows: StageResult["tables"][number]["rows"]): StageResult => ({
    ...{ name, title: name, state: "ok", seconds: 1, notes: [] },
    tables: [{ title: name, columns: [], rows }],
  });

  test("why: the ratio is of the same row, and a row that only one has is left out", () => {
    const stages = [
      stage("conv", [
        { name: "c", ms: 6 },
        { name: "d", ms: 1 },
      ]),
      stage("pytorch", [
        { name: "c, PyTorch f32", ours: "c", precision: "f32", ms: 3 },
        { name: "c, PyTorch f16", ours: "c", precision: "f16", ms: 12 },
        { name: "e, PyTorch f32", ours: "e", precision: "f32", ms: 3 },
      ]),
    ];
    const rows = summaryOf(stages).find((t) => t.title === "Beside PyTorch")!.rows;
    expect(rows).toEqual([expect.objectContaining({ what: "c", ours: 6, byF32: 2, byF16: 0.5 })]);
    expect(rows[0]!.byTf32).toBeUndefined();
  });

  test("why: without any stage there is nothing to show, and no empty table", () => {
    expect(summaryOf([])).toEqual([]);
  });
});
