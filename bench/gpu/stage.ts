// What a stage of `npm run gpu` is, and what it is given. A stage runs in a process of its own (run-stage.ts) and hands over each
// result as soon as it is there: what a crash or the end of its time leaves behind stays.

import { describe } from "../../engine/adapter.js";
import { type Device, type DeviceOptions, openDevice } from "../../engine/device.js";
import type { Row } from "../measure.js";
import type { Cell, Column, Table } from "../table.js";

/** One line of a stage's output, as JSON. */
export type Piece =
  | { adapter: AdapterLine }
  | { table: Table }
  | { note: string }
  | { skipped: string }
  | { error: string };

/** The first line: whose numbers follow. */
export interface AdapterLine {
  /** Description, kind and kernel family. */
  adapter: string;
  software: boolean;
}

/** How much longer a software adapter may take, which also shares its processor with other programs. */
const SOFTWARE_PATIENCE = 6;

/** Seconds that a stage may take, once its adapter is known. */
export const timeFor = (seconds: number, adapter: AdapterLine | undefined): number =>
  adapter?.software ? SOFTWARE_PATIENCE * seconds : seconds;

export interface Stage {
  name: string;
  title: string;
  /** Seconds after which it is ended. All together: ten minutes on a GPU. */
  seconds: number;
  run(context: Context): Promise<void>;
}

/** Opens devices and takes results. */
export class Context {
  private dev: Device | undefined;
  private known: AdapterLine | undefined;
  private readonly start = performance.now();

  /**
   * @param asked    --quick
   * @param seconds  of the stage
   */
  constructor(
    private readonly asked: boolean,
    private readonly seconds: number,
    private readonly emit: (piece: Piece) => void,
  ) {}

  /** Opens a device and closes the one before. */
  async open(options: DeviceOptions = {}): Promise<Device> {
    this.close();
    this.dev = await openDevice(options);
    const { info, kind, family } = this.dev;
    this.known ??= {
      adapter: `${describe(info)} (${kind}, ${family} kernels)`,
      software: kind === "lavapipe" || kind === "swiftshader",
    };
    this.emit({ adapter: this.known });
    return this.dev;
  }

  close(): void {
    this.dev?.close();
    this.dev = undefined;
  }

  /** Small sizes: a software adapter, once a device is open. */
  get software(): boolean {
    return this.known?.software ?? false;
  }

  /** Few rounds: --quick, or a software adapter. */
  get quick(): boolean {
    return this.asked || this.software;
  }

  /** Times that a case is measured. */
  get rounds(): number {
    return this.quick ? 3 : 7;
  }

  /** Whether the stage should begin with something that takes `seconds`. */
  hasTimeFor(seconds: number): boolean {
    return (performance.now() - this.start) / 1000 + seconds < timeFor(this.seconds, this.known);
  }

  /** Rows of a table; more calls with the same title add to it. Numbers that JSON cannot hold become words. */
  table(table: Table): void {
    const cell = (v: Cell) => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v);
    const rows = table.rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, v]) => [key, cell(v)])));
    this.emit({ table: { ...table, rows } });
  }

  /** A sentence above the tables. */
  note(note: string): void {
    this.emit({ note });
  }

  /** The stage has nothing to measure here. */
  skip(reason: string): void {
    this.emit({ skipped: reason });
  }
}

/** Rows of the bench's own measurement, in one unit: its bars are compared. */
export function measuredTable(table: Omit<Table, "columns" | "rows">, rows: readonly Row[]): Table {
  const large = rows.every((r) => r.unit === "GFLOP/s") && rows.some((r) => r.rate >= 1000);
  return {
    ...table,
    columns: rowColumns,
    rows: rows.map(({ name, ms, samples, rate, unit, share, error }) => ({
      ...{ name, ms, samples, share, error },
      ...(large ? { rate: rate / 1000, unit: "TFLOP/s" } : { rate, unit }),
    })),
  };
}

const rowColumns: readonly Column[] = [
  { key: "name", title: "what" },
  { key: "ms", title: "ms" },
  { key: "rate", title: "rate" },
  { key: "unit", title: "" },
  { key: "share", title: "of the ceiling", percent: true },
];
