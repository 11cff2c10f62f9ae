// How the bench shows its rows: lines of a terminal as they come, and tables for Markdown and HTML.

import type { HostRow } from "./host.js";
import type { Row } from "./measure.js";
import type { NetRow } from "./nets.js";
import type { Column, Table } from "./table.js";

/** By the clock and by CPU time: one of them may have been stretched by other programs. */
export function below({ share, cpuShare = 0, floor = 0 }: Row): boolean {
  return share < floor && cpuShare < floor;
}

/** 0.256 as "26 %". */
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Columns of `line`. */
export const heading = (): string =>
  `${"what".padEnd(44)}${"ms".padStart(9)}${"rate".padStart(16)}${"ceiling".padStart(9)}${"by CPU".padStart(8)}${"floor".padStart(7)}  kernels`;

/** A row; `!` at its end marks one below its floor. On a ladder, what the rung does is folded under it. */
export function line(row: Row): string {
  const { name, ms, rate, unit, share, cpuShare, floor, kernels, why } = row;
  return (
    name.padEnd(44) +
    ms.toFixed(2).padStart(9) +
    `${rate.toFixed(1)} ${unit.padEnd(7)}`.padStart(16) +
    percent(share).padStart(9) +
    (cpuShare === undefined ? "" : percent(cpuShare)).padStart(8) +
    (floor === undefined ? "" : percent(floor)).padStart(7) +
    `  ${kernels.join(", ")}${below(row) ? " !" : ""}` +
    (why ? `\n${why.replace(/(.{1,100})(?: |$)/g, "    $1\n")}` : "")
  );
}

/** How many rows hold their floor, and which do not. */
export function floorVerdict(rows: readonly Row[], missed: readonly Row[]): string {
  const held = rows.filter((r) => r.floor !== undefined).length - missed.length;
  const lines = missed.map((r) => {
    const cpu = r.cpuShare === undefined ? "" : ` (${percent(r.cpuShare)} by CPU time)`;
    return `  ${r.name}: ${percent(r.share)} of the ceiling${cpu}, floor ${percent(r.floor!)}`;
  });
  return [`\n${held} rows hold their floor, ${missed.length} do not.`, ...lines].join("\n");
}

/** What is not a kernel: a copy by the queue, and what the host pays. */
export function hostLines(copied: number, calls: readonly HostRow[]): string {
  return [
    `\n${"copyBufferToBuffer".padEnd(60)}${copied.toFixed(1).padStart(8)} GB/s`,
    ...calls.map(({ name, ms }) => `${name.padEnd(60)}${ms.toFixed(3).padStart(8)} ms`),
  ].join("\n");
}

// The tables below hold the same rows as the lines above, for --markdown and --out.

const timeColumns: readonly Column[] = [
  { key: "name", title: "what" },
  { key: "ms", title: "ms" },
];

/** Kernels at the sizes of the nets, or the rungs of a ladder. */
export const kernelTable = (title: string, rows: readonly Row[]): Table => ({
  title,
  note: "Medians of GPU timestamps. The ceiling is a kernel of multiply-adds in registers, or a copy, measured in the same rounds.",
  columns: [
    ...timeColumns,
    { key: "rate", title: "rate" },
    { key: "unit", title: "" },
    { key: "share", title: "of the ceiling", percent: true },
    { key: "kernelNames", title: "kernels" },
  ],
  rows: rows.map((r) => ({ ...r, kernelNames: r.kernels.join(", "), kernels: undefined })),
  bars: "share",
});

/** --nets. */
export const netTable = (rows: readonly NetRow[]): Table => ({
  title: "Whole nets and training steps",
  note: "Medians by the host's clock, with everything that a user waits for.",
  columns: [
    ...timeColumns,
    { key: "gflops", title: "GFLOP/s" },
    { key: "share", title: "of the ceiling", percent: true },
    { key: "dispatches", title: "dispatches" },
    { key: "recordMs", title: "record ms" },
    { key: "peakBytes", title: "peak bytes" },
  ],
  rows: rows.map((r) => ({ ...r })),
});

/** What `hostLines` prints. */
export const hostTable = (copied: number, calls: readonly HostRow[]): Table => ({
  title: "What the host pays",
  note: `By the host's clock. copyBufferToBuffer moves ${copied.toFixed(1)} GB/s, reads and writes counted.`,
  columns: timeColumns,
  rows: calls.map((r) => ({ ...r })),
});
