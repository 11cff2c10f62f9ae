// The values a run logs. Those on the GPU are copied there into a list and read back together, so that no step waits for one.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { FileError, ShapeError, UifaceError } from "../engine/errors.js";
import { explainWriteError, writeAtomic } from "../engine/io/atomic.js";
import { keep } from "../engine/scope.js";
import { copyElements, empty, show, Tensor } from "../engine/tensor.js";

/** Values on the GPU between two reads; endStep reads when half of them are taken. */
const SLOTS = 4096;

interface Entry {
  step: number;
  name: string;
  /** The number, or its slot in the list. */
  value: number | { slot: number };
}

/** One step's means. */
export interface Row {
  step: number;
  values: Record<string, number>;
}

export class Metrics {
  private list: Tensor | undefined;
  private used = 0;
  private entries: Entry[] = [];

  /** `path`: the metrics.jsonl that rows are appended to; rows of `step` and later, which a resumed run repeats, are removed. */
  constructor(
    private readonly path: string,
    step: number,
  ) {
    if (!existsSync(path)) return;
    const lines = readFileSync(path, "utf8").split("\n");
    const kept = lines.filter((line) => stepOf(line) < step);
    writeAtomic(path, new TextEncoder().encode(kept.map((line) => `${line}\n`).join("")));
  }

  /** Remembers values of a step; several under one name (micro-batches) are averaged. */
  log(step: number, values: Record<string, number | Tensor>): void {
    for (const [name, value] of Object.entries(values)) {
      this.entries.push({ step, name, value: value instanceof Tensor ? { slot: this.copy(name, value) } : value });
    }
  }

  get full(): boolean {
    return this.used >= SLOTS / 2;
  }

  /** Reads the values since the last call, writes them to the file and returns a row for each step. */
  async flush(): Promise<Row[]> {
    const read = this.used ? ((await this.list!.read()) as Float32Array) : new Float32Array();
    const rows = new Map<number, Map<string, number[]>>();
    for (const { step, name, value } of this.entries) {
      const row = rows.get(step) ?? new Map<string, number[]>();
      rows.set(step, row);
      row.set(name, [...(row.get(name) ?? []), typeof value === "number" ? value : read[value.slot]!]);
    }
    this.entries = [];
    this.used = 0;
    const means = [...rows].map(
      ([step, row]): Row => ({ step, values: Object.fromEntries([...row].map(([name, list]) => [name, mean(list)])) }),
    );
    this.append(means.map(({ step, values }) => `${JSON.stringify({ step, ...values })}\n`).join(""));
    return means;
  }

  dispose(): void {
    this.list?.dispose();
  }

  private append(text: string): void {
    try {
      appendFileSync(this.path, text);
    } catch (error) {
      throw new FileError(explainWriteError(this.path, (error as NodeJS.ErrnoException).code ?? "unknown"), {
        cause: error,
      });
    }
  }

  private copy(name: string, x: Tensor): number {
    if (x.size !== 1 || x.dtype !== "f32") throw new ShapeError(`log: ${name} is ${show(x)}; log one f32 number.`);
    if (this.used === SLOTS) throw new UifaceError(`log: more than ${SLOTS} values since the last endStep().`);
    this.list ??= keep(empty([SLOTS]));
    copyElements(x, this.list, { to: this.used });
    return this.used++;
  }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** A line cut short by a crash counts as later than any step. */
function stepOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { step: unknown }).step);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The rows of a metrics.jsonl. */
export function readMetrics(path: string): Row[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter(Boolean).map((line) => {
    const { step, ...values } = JSON.parse(line) as { step: number } & Record<string, number>;
    return { step, values };
  });
}
