// 6. The matrix kernel of GPUs (matmul_tiled.wgsl) in the forms it has: sizes of tiles, one or two buffers, depths of a tile, splits.
// What the plan of engine/ops/tiled_plan.ts chooses from counts alone stands beside them: a faster row is a better plan.

import { device } from "../../engine/device.js";
import { inSplits } from "../../engine/ops/gemm.js";
import type { Gemm } from "../../engine/ops/gemm_plan.js";
import { type Choice, planGemm, type Tile, threadsOf, workgroupBytes } from "../../engine/ops/tiled_plan.js";
import { kernel } from "../../engine/shader.js";
import { empty } from "../../engine/tensor.js";
import { type Case, type Filled, filled, places } from "../case.js";
import { measure } from "../measure.js";
import { ceilingOf, sizeFor } from "./matmul.js";
import { measuredTable, type Stage } from "./stage.js";

const small: Tile = { TN: 64, TM: 64, RN: 8, RM: 8 };
const tall: Tile = { TN: 128, TM: 64, RN: 8, RM: 8 };
const large: Tile = { TN: 128, TM: 128, RN: 8, RM: 8 };
const narrow: Tile = { TN: 32, TM: 32, RN: 4, RM: 4 };

/** Each with what is asked of it beyond the tile. */
const tiles: readonly Tile[] = [
  narrow,
  ...[small, tall, large].flatMap((tile): Tile[] => [
    tile,
    { ...tile, BUFFERS: 2 },
    { ...tile, KU: 4 },
    { ...tile, TK: 32 },
    { ...tile, TK: 32, BUFFERS: 2 },
  ]),
  { ...large, RN: 8, RM: 4 },
];

/** Parts of the depth, for a product of few outputs. */
const splits = [1, 2, 4, 8, 16];

/** Those of an adapter that a tile can meet. */
export interface Limits {
  maxComputeInvocationsPerWorkgroup: number;
  maxComputeWorkgroupStorageSize: number;
}

export const tilesStage: Stage = {
  name: "tiles",
  title: "Tiles of the matrix kernel",
  seconds: 80,
  async run(context) {
    const n = sizeFor(context, await ceilingOf(context));
    const dev = await context.open();
    const all = context.software ? [small] : tiles; // there a tile takes seconds to compile
    const fitting = all.filter((t) => fits(t, dev.limits));
    if (fitting.length < all.length)
      context.note(`${all.length - fitting.length} tiles need more threads or workgroup memory than this adapter has.`);
    const square = { rows: n, cols: n, depth: n };
    const choices: Choice[] = [{}, ...fitting.map((tile): Choice => ({ tile, splits: 1 }))];
    const rows = await measure(dev, { stem: "tiles", make: () => products(square, choices) }, context.rounds);
    context.table(
      measuredTable(
        { title: `${n} x ${n} x ${n}`, note: "T: outputs a workgroup. R: outputs a thread.", bars: "rate" },
        rows.slice(2),
      ),
    );
    // The 4 x 4 level of the UNet at 64 images: 1,024 pixels, 768 channels in and out, 9 taps.
    const level = context.software ? { rows: 64, cols: 96, depth: 1024 } : { rows: 1024, cols: 768, depth: 6912 };
    const parts = (context.software ? [small] : [small, large].filter((t) => fits(t, dev.limits))).flatMap((tile) =>
      (context.software ? [1, 4] : splits).map((count) => ({ tile, splits: count })),
    );
    const few = await measure(dev, { stem: "tiles", make: () => products(level, [{}, ...parts]) }, context.rounds);
    context.table(
      measuredTable(
        {
          title: `Few outputs, a long sum: ${level.rows} x ${level.cols} x ${level.depth}`,
          note: "Splits share the depth among workgroups; a second kernel adds their parts.",
          bars: "rate",
        },
        few.slice(2),
      ),
    );
  },
};

/** Whether a workgroup of this tile exists on an adapter. */
export const fits = (tile: Tile, limits: Limits): boolean =>
  threadsOf(tile) <= limits.maxComputeInvocationsPerWorkgroup &&
  workgroupBytes(tile) <= limits.maxComputeWorkgroupStorageSize;

/** (rows, depth) times (cols, depth) transposed. */
interface Sizes {
  rows: number;
  cols: number;
  depth: number;
}

/** y = a b^T in each of the forms. */
export function products(sizes: Sizes, choices: readonly Choice[]): Case[] {
  const { rows, cols, depth } = sizes;
  const [a, b] = [filled([rows, depth], 1), filled([cols, depth], 2)];
  return choices.map((choice) => product(sizes, { a, b }, choice));
}

/** One choice; without a tile the plan's own, whose name says what it chose. */
function product({ rows, cols, depth }: Sizes, { a, b }: Record<"a" | "b", Filled>, choice: Choice): Case {
  const along = (ld: number) => ({ contiguous: true, ld });
  const gemm: Gemm = { rows, cols, depth, a: along(depth), b: along(depth), out: along(cols) };
  const plan = planGemm(gemm, device().tuning.tiled.matmul, choice);
  return {
    name: choice.tile
      ? nameOf(choice)
      : `as planned: ${nameOf({ tile: plan.constants as unknown as Tile, splits: plan.splits })}`,
    work: { flops: 2 * rows * cols * depth },
    allowed: 1e-5,
    run: () => {
      const y = empty([rows, cols]);
      const operands = { p: a.t, q: b.t, bias: b.t, plus: b.t };
      inSplits(plan.splits, y, (o) => kernel("matmul_tiled").run({ ...operands, o }, plan.params, plan));
      return y;
    },
    check: async (y) => {
      const got = await y.read();
      return places(rows * cols).map((i) => {
        const [row, col] = [Math.floor(i / cols), i % cols];
        let want = 0;
        for (let k = 0; k < depth; k++) want += a.v[row * depth + k]! * b.v[col * depth + k]!;
        return [got[i]!, want];
      });
    },
  };
}

/** What differs between the rows. */
function nameOf({ tile, splits = 1 }: Choice): string {
  const { TN, TM, RN, RM, TK = 16, KU = 1, BUFFERS = 1 } = tile!;
  const more = [
    `TK ${TK}`,
    ...(KU > 1 ? [`KU ${KU}`] : []),
    ...(BUFFERS > 1 ? ["2 buffers"] : []),
    ...(splits > 1 ? [`${splits} splits`] : []),
  ];
  return `T ${TN} x ${TM}, R ${RN} x ${RM}, ${more.join(", ")}`;
}
