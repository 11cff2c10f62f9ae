// The table of an adapter: the values of some settings (settings.ts), found by measuring. A built-in one is taken if it is of
// the adapter at hand; without any, every setting is the portable one.
//
//   { "name": "lavapipe", "adapter": { "kind": "lavapipe", "subgroupSize": 8 }, "date": "2026-11-24",
//     "settings": { "broadcast.matmul.rows": 32 } }                              `uiface tune` writes such a file

import { FileError, type UifaceError, UsageError } from "../errors.js";
import { nearest } from "../nearest.js";
import { type Tile, threadsOf, workgroupBytes } from "../ops/tiled_plan.js";
import { everySetting, portable, type TileSettings, type Tuning, withSettings } from "./settings.js";
import lavapipe from "./tables/lavapipe.json" with { type: "json" };
import swiftshader from "./tables/swiftshader.json" with { type: "json" };

/** What a table may say about its adapter: all of it must be so. Texts are compared in lower case, the description in part. */
export interface AdapterMatch {
  kind?: string;
  vendor?: string;
  architecture?: string;
  description?: string;
  subgroupSize?: number;
}

export interface Table {
  name: string;
  /** The adapter that it was measured on. */
  adapter: AdapterMatch;
  /** When, and with which command. */
  date?: string;
  source?: string;
  /** By path (settings.ts#everySetting); what is left out is portable. */
  settings: Readonly<Record<string, number>>;
  /** What `uiface tune` saw: for readers. */
  measured?: unknown;
}

/** A table, and the tuning that it makes. */
export interface ChosenTable {
  /** Of the table, "portable" without one, the file's for one that the user gave. */
  name: string;
  tuning: Tuning;
}

/** What a tile must fit: see ops/tiled_plan.ts. */
export interface TileLimits {
  maxComputeInvocationsPerWorkgroup: number;
  maxComputeWorkgroupStorageSize: number;
}

export const builtIn: readonly Table[] = [lavapipe, swiftshader];

/** The table that the user names, an option or a file, checked; else the one of this adapter. */
export async function chosenTable(
  given: Table | string | undefined,
  kind: string,
  { info, features, limits }: Pick<GPUAdapter, "info" | "features" | "limits">,
): Promise<ChosenTable> {
  if (!given) return tableFor(matchOf(kind, info, features));
  if (typeof given !== "string") return checkedTable(given, limits);
  return checkedTable((await import("./file.js")).readTable(given), limits, given);
}

/** What a table may say of this adapter. */
export function matchOf(kind: string, info: GPUAdapterInfo, features: GPUSupportedFeatures): Required<AdapterMatch> {
  const { vendor, architecture, description } = info;
  return { kind, vendor, architecture, description, subgroupSize: fixedSubgroup(features, info) ?? 0 };
}

/** Lanes of a subgroup, if that number is fixed and above 1. */
export function fixedSubgroup(features: GPUSupportedFeatures, info: GPUAdapterInfo): number | undefined {
  const { subgroupMinSize, subgroupMaxSize } = info;
  const fixed = features.has("subgroups") && subgroupMinSize === subgroupMaxSize && subgroupMinSize > 1;
  return fixed ? subgroupMinSize : undefined;
}

/** The built-in table of an adapter, else the portable setting. */
export function tableFor(adapter: AdapterMatch, tables: readonly Table[] = builtIn): ChosenTable {
  const table = tables.find((t) => matches(t.adapter, adapter));
  return table
    ? { name: table.name, tuning: withSettings(portable, table.settings) }
    : { name: "portable", tuning: portable };
}

/** Whether all that a table says of its adapter holds for this one; a table that says nothing is of none. */
export function matches(wanted: AdapterMatch, adapter: AdapterMatch): boolean {
  const lower = (x: string | number | undefined) => String(x ?? "").toLowerCase();
  const entries = Object.entries(wanted) as [keyof AdapterMatch, string | number][];
  return (
    entries.length > 0 &&
    entries.every(([key, value]) =>
      key === "description" ? lower(adapter[key]).includes(lower(value)) : lower(adapter[key]) === lower(value),
    )
  );
}

/**
 * A table that a user gave, checked against the settings there are and this adapter's limits.
 *
 * @param given   what the file or the option holds
 * @param file    its path; without one it is an option of openDevice, and a wrong one is a wrong use
 * @throws        FileError or UsageError: the first thing that is wrong
 */
export function checkedTable(given: unknown, limits: TileLimits, file?: string): ChosenTable {
  const what = file ?? "openDevice({ tuning })";
  const refuse = (problem: string, wayOut = "Make it again with `uiface tune --out FILE`."): UifaceError => {
    const text = `${what}: ${problem}\n${wayOut}`;
    return file ? new FileError(text) : new UsageError(text);
  };
  if (!isRecord(given) || !isRecord(given.settings)) throw refuse('no table of settings: it has no "settings".');
  const known = new Map(everySetting);
  for (const [path, value] of Object.entries(given.settings)) {
    const setting = known.get(path);
    if (!setting) throw refuse(`there is no setting "${path}".`, hint(path, [...known.keys()]));
    if (!setting.values.includes(value as number)) {
      const allowed = `${path} is ${JSON.stringify(value)}, but can only be ${setting.values.join(", ")} (${setting.unit}).`;
      throw refuse(allowed, `Leave the line out to take the portable value, ${setting.portable}.`);
    }
  }
  const tuning = withSettings(portable, given.settings as Record<string, number>);
  const misfit = tileMisfit(tuning, limits);
  if (misfit) throw refuse(misfit, "Give its tiles fewer outputs or depths.");
  return { name: file ?? (typeof given.name === "string" ? given.name : "option"), tuning };
}

/** Why a group of tiles cannot run within an adapter's limits; undefined if all can. */
export function tileMisfit(tuning: Tuning, limits: TileLimits): string | undefined {
  for (const group of ["matmul", "conv", "conv_weight"] as const) {
    const large = largeTile(tuning.tiled[group]); // the small one has 64 threads and needs no more memory
    const [threads, bytes] = [Math.max(64, threadsOf(large)), workgroupBytes(large)];
    if (threads > limits.maxComputeInvocationsPerWorkgroup)
      return `tiled.${group} has ${threads} threads a workgroup; this adapter runs ${limits.maxComputeInvocationsPerWorkgroup} at most.`;
    if (bytes > limits.maxComputeWorkgroupStorageSize)
      return `tiled.${group} needs ${bytes.toLocaleString("en")} bytes of workgroup memory; this adapter has ${limits.maxComputeWorkgroupStorageSize.toLocaleString("en")}.`;
  }
  return undefined;
}

const largeTile = (s: TileSettings): Tile => {
  return { TN: s.tn, TM: s.tm, RN: s.rn, RM: s.rm, TK: s.tk, BUFFERS: s.buffers === 2 ? 2 : 1 };
};

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);

function hint(path: string, known: readonly string[]): string {
  const near = nearest(path, known);
  return near ? `Did you mean ${near}?` : "docs/kernels.md lists the settings.";
}
