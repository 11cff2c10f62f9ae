// 5. One f32 product from the naive kernel to the engine's, at a size where the card's arithmetic shows: 4096^3.

import { matmulRungs } from "../ladder/matmul.js";
import { measure, type Row } from "../measure.js";
import { type Context, measuredTable, type Stage } from "./stage.js";

/** Of the FMA ceiling: what the naive kernel is taken to reach at least when a size is chosen. */
const NAIVE = 0.02;
/** Seconds that one run of it may take: drivers end what runs for two. */
const LONGEST = 1;

export const matmulStage: Stage = {
  name: "matmul",
  title: "f32 matrix product, from the formula to the engine",
  seconds: 80,
  async run(context) {
    const n = sizeFor(context, await ceilingOf(context));
    const dev = await context.open();
    const rows = await measure(dev, { stem: "matmul", make: () => matmulRungs(n, n, n) }, context.rounds);
    context.table(
      measuredTable(
        {
          title: `${n} x ${n} x ${n}`,
          note: "The ceiling is multiply-adds in registers; the aim is 60 % of it.",
          bars: "rate",
        },
        rows.filter((r) => !r.name.includes("copy")).map((r) => sized(r, n)),
      ),
    );
    const unchecked = await measure(
      await context.open({ unchecked: true }),
      { stem: "matmul", make: () => matmulRungs(n, n, n).slice(-1) },
      context.rounds,
    );
    context.table(
      measuredTable(
        {
          title: "Without bounds checks",
          note: "The engine's kernel with Dawn's disable_robustness: what the checks of WebGPU cost.",
        },
        unchecked.slice(2).map((r) => sized({ ...r, name: `${r.name}, unchecked` }, n)),
      ),
    );
  },
};

/** The size as part of the name, but for the ceiling, which has none. */
const sized = (r: Row, n: number): Row => (r.name.startsWith("ceiling") ? r : { ...r, name: `${r.name}, ${n}` });

/** The name that PyTorch's row refers to. */
export const matmulName = (n: number): string => `the engine's matmul, ${n}`;

/** GFLOP/s of multiply-adds in registers. */
export async function ceilingOf(context: Context): Promise<number> {
  const [fma] = await measure(await context.open(), { stem: "", make: () => [] }, 3);
  return (fma as Row).rate;
}

/** The largest of some sizes at which even the naive kernel ends soon. */
export function sizeFor(context: Pick<Context, "software" | "quick">, ceiling: number): number {
  if (context.software) return 256;
  const seconds = (n: number) => (2 * n ** 3) / (NAIVE * ceiling * 1e9);
  const sizes = context.quick ? [2048, 1024, 512] : [4096, 2048, 1024, 512];
  return sizes.find((n) => seconds(n) < LONGEST) ?? 512;
}
