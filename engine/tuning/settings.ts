// The settings of kernels that are measured, not derived: what each counts, what it may be, and what it is on an adapter
// that nobody measured. A table of an adapter (table.ts) replaces some of them; plans take them as arguments.
//
//   device().tuning.broadcast.matmul.rows            dev.tuning[dev.family].elementwise.vecs
//
// No value of a setting makes a kernel wrong: every combination that `table.ts` lets through runs in
// test/engine/tuning-ops.test.ts. Values of the portable column are the most cautious of what was measured (docs/kernels.md).

/** One number of the table. */
export interface Setting {
  /** What it is on an adapter without a table. */
  portable: number;
  /** What it may be, in order. */
  values: readonly number[];
  /** What it counts. */
  unit: string;
}

const setting = (portable: number, values: readonly number[], unit: string): Setting => ({ portable, values, unit });

/** Whole powers of two, ends included. */
const powers = (from: number, to: number): number[] =>
  Array.from({ length: Math.log2(to / from) + 1 }, (_, i) => from * 2 ** i);

/** matmul_broadcast and conv2d_broadcast (ops/gemm_plan.ts). */
const lanes = () => ({
  rows: setting(16, [8, 16, 32], "rows of M a workgroup, at most"),
  columns: setting(1, [1, 2], "vec4's of N a lane, at most"),
  depths: setting(2, [2, 4], "depths a turn, with one vec4 a lane"),
  wideDepths: setting(2, [2, 4], "depths a turn, with two vec4's a lane"),
});

/** The tiled kernels of products (ops/tiled_plan.ts). */
const tiles = () => ({
  tn: setting(128, [64, 128], "outputs along N of a workgroup's large tile"),
  tm: setting(128, [64, 128], "outputs along M of a workgroup's large tile"),
  rn: setting(8, [4, 8], "outputs along N a thread of the large tile"),
  rm: setting(8, [4, 8], "outputs along M a thread of the large tile"),
  tk: setting(16, [8, 16, 32], "depths a tile"),
  ku: setting(1, [1, 2, 4], "depths written out"),
  buffers: setting(1, [1, 2], "tiles in workgroup memory"),
  workgroups: setting(264, [4, 16, 33, 66, 132, 264, 528, 1056], "workgroups that fill the adapter"),
  splitDepth: setting(256, powers(64, 1024), "least depths of a split"),
  maxSplits: setting(32, powers(1, 64), "parts of a depth, at most"),
});

/** Kernels whose threads walk alone, in both families. */
const walks = (broadcast: boolean) => ({
  // Not 8: what a thread does past the end of a tensor must end within 64 bytes (shader.ts#bindingSize).
  elementwise: { vecs: setting(broadcast ? 4 : 1, [1, 2, 4], "vec4's a thread") },
  optimiser: {
    vecs: setting(1, [1, 2, 4], "vec4's a thread of an update"),
    normThreads: setting(broadcast ? 1024 : 32_768, powers(256, 131_072), "threads of a gradient norm"),
  },
  reduce: {
    threads: setting(broadcast ? 1024 : 16_384, powers(256, 131_072), "threads of a sum, at most"),
    workgroup: setting(broadcast ? 16 : 64, powers(16, 128), "threads a workgroup, where each walks alone"),
  },
  norm: {
    threads: setting(broadcast ? 3072 : 65_536, [768, 1536, 3072, 6144, ...powers(8192, 262_144)], "threads"),
    chunks: setting(broadcast ? 64 : 256, powers(16, 1024), "chunks of an image, at most"),
    workgroup: setting(broadcast ? 16 : 64, powers(16, 128), "threads a workgroup of the sums"),
    pixels: setting(broadcast ? 4 : 1, [1, 2, 4, 8], "pixels a thread"),
  },
});

/** By family, group and name. */
export const settings = {
  broadcast: {
    matmul: lanes(),
    conv: lanes(),
    conv_weight: {
      rows: setting(16, [8, 16, 32], "rows of M a workgroup, at most"),
      columns: setting(2, [1, 2], "vec4's of columns a lane"),
      pixels: setting(1, [1, 2], "pixels a turn; short rows take 1"),
      workgroups: setting(32, powers(8, 128), "workgroups that keep the cores busy to the end"),
      splitPixels: setting(256, powers(64, 1024), "least pixels of a split"),
    },
    winograd: {
      gain: setting(
        0.95,
        [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1],
        "of the direct form's work, at most: it is the less exact one",
      ),
      moved: setting(
        6,
        [2, 3, 4, 6, 8, 11, 16, 22, 32, 45],
        "multiply-adds' worth of an element that a transform moves",
      ),
    },
    ...walks(true),
    cross_entropy: { chunks: setting(768, [192, 384, 768, 1536, 3072], "chunks of all rows together") },
  },
  tiled: {
    matmul: tiles(),
    conv: tiles(),
    conv_weight: tiles(),
    ...walks(false),
    rows: {
      threads: setting(256, [64, 128, 256], "threads a row, at most"),
      run: setting(16_384, powers(2048, 65_536), "columns of a sum a workgroup"),
    },
  },
} as const;

/** A value for each setting: what plans and launches are functions of, beside shapes. */
export type Tuning = {
  [F in keyof typeof settings]: {
    [G in keyof (typeof settings)[F]]: { [S in keyof (typeof settings)[F][G]]: number };
  };
};

export type LaneSettings = Tuning["broadcast"]["matmul"];
export type WeightSettings = Tuning["broadcast"]["conv_weight"];
export type TileSettings = Tuning["tiled"]["matmul"];

/** `family.group.name` of every setting, with it. */
export const everySetting: readonly (readonly [string, Setting])[] = Object.entries(settings).flatMap(
  ([family, groups]) =>
    Object.entries(groups).flatMap(([group, names]) =>
      Object.entries(names as Record<string, Setting>).map(([name, s]) => [`${family}.${group}.${name}`, s] as const),
    ),
);

/** A tuning of what `value` says for each path. */
export function tuningOf(value: (path: string, setting: Setting) => number): Tuning {
  const all: Record<string, Record<string, Record<string, number>>> = {};
  for (const [path, s] of everySetting) {
    const [family, group, name] = path.split(".") as [string, string, string];
    all[family] ??= {};
    all[family][group] ??= {};
    all[family][group][name] = value(path, s);
  }
  return all as Tuning;
}

/** Where nobody measured. */
export const portable: Tuning = tuningOf((_, s) => s.portable);

/** The same with other values at some paths. */
export function withSettings(tuning: Tuning, changes: Readonly<Record<string, number>>): Tuning {
  return tuningOf((path) => changes[path] ?? valueAt(tuning, path));
}

export function valueAt(tuning: Tuning, path: string): number {
  const [family, group, name] = path.split(".") as [keyof Tuning, string, string];
  return (tuning[family] as Record<string, Record<string, number>>)[group]![name]!;
}
