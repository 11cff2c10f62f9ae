// How `uiface inspect` says what it found: a sentence, the facts, a table that is folded to fit a screen, and what to do next.

import { count, type Inspection, type TensorLine } from "./inspect.js";

/** Tensors that are listed one by one; more are folded. */
const FEW = 16;
/** Lines that a folded table may have, and those of a small one. */
const LINES = 40;
const SCREEN = 24;
const METADATA = 12;
/** Letters of a name that are kept in line. */
const WIDTH = 60;

/** The report as text; `all` lists every tensor and every entry of the metadata. */
export function report(found: Inspection, all = false): string {
  const facts = [
    ["file", `${found.format}${found.bytes ? `, ${size(found.bytes)}` : ""}`],
    ...(found.tensors.length ? [["tensors", tensorFact(found.tensors)]] : []),
    ...(found.prefix ? [["keys", `begin with ${plain(found.prefix)}`]] : []),
    ...(found.values ? [["values", valuesFact(found.values)]] : []),
    ...metadataFacts(found.metadata, all),
    ...found.notes.map((note, i) => [i ? "" : "besides", plain(note)]),
  ] as [string, string][];
  const lines = [`${sentence(found)}.`, "", ...facts.map(([name, fact]) => `  ${name.padEnd(9)} ${fact}`)];
  if (found.tensors.length) lines.push("", ...table(found, all));
  if (found.takenBy.length) lines.push("", "Next", ...found.takenBy.map((line) => `  ${plain(line)}`));
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** What a file is, or holds. */
export const sentence = ({ path, kind, what }: Pick<Inspection, "path" | "kind" | "what">): string =>
  `${plain(path)} ${kind === "tensors" ? "holds" : "is"} ${what}`;

/** How many tensors and values, and of which types. */
function tensorFact(tensors: readonly TensorLine[]): string {
  const types = new Map<string, number>();
  for (const { dtype } of tensors) types.set(dtype, (types.get(dtype) ?? 0) + 1);
  const values = tensors.reduce((n, t) => n + t.values, 0);
  const by = types.size === 1 ? [...types.keys()] : [...types].map(([dtype, n]) => `${n} ${dtype}`);
  return `${tensors.length.toLocaleString("en")}, ${count(values, "value")}, ${by.join(", ")}`;
}

/** The range of the values; in capitals what must not be overlooked. */
function valuesFact({ min, max, notFinite, firstIn }: NonNullable<Inspection["values"]>): string {
  const range = min <= max ? `from ${short(min)} to ${short(max)}` : "";
  if (!notFinite) return `all finite, ${range}`;
  return `NOT FINITE: ${notFinite.toLocaleString("en")}, the first in ${plain(firstIn!)}${range && `; the others ${range}`}`;
}

/** The first entries, long ones cut. */
function metadataFacts(metadata: Record<string, string>, all: boolean): [string, string][] {
  const entries = Object.entries(metadata);
  const shown = entries.slice(0, all ? entries.length : METADATA);
  const rows = shown.map(([key, value], i): [string, string] => {
    const text = !all && value.length > 60 ? `${value.slice(0, 57)}...` : value;
    return [i ? "" : "metadata", `${plain(key)} = ${plain(text)}`];
  });
  if (shown.length < entries.length) rows.push(["", `... and ${entries.length - shown.length} more; --all shows them`]);
  return rows;
}

/** a.2 before a.10. */
const byNumber = new Intl.Collator("en", { numeric: true });

/** A line of the table. */
type Row = [name: string, shape: string, values: string, dtype: string];

/** Every tensor, or groups of them: as deep as fits on a screen. */
function table({ tensors: inFile, prefix, own, format }: Inspection, all: boolean): string[] {
  // safetensors sorts by name, with up.10 before up.2; the others keep the net's own order.
  const tensors = format === "safetensors" ? inFile.toSorted((a, b) => byNumber.compare(a.name, b.name)) : inFile;
  if (all || tensors.length <= FEW) return columns(tensors.map(rowOf));
  const isOwn = ({ name }: TensorLine) => (own < tensors.length && prefix !== "" ? name.startsWith(prefix) : true);
  const mine = tensors.filter(isOwn).map((t) => ({ ...t, name: t.name.slice(prefix.length) }));
  const others = tensors.filter((t) => !isOwn(t));
  return columns([...folded(mine), ...grouped(others, 1)]);
}

/** The deepest grouping of few enough lines; below the second level a screenful has to do. */
function folded(tensors: readonly TensorLine[]): Row[] {
  let rows = grouped(tensors, 1);
  for (let depth = 2; depth < 8; depth++) {
    const deeper = grouped(tensors, depth);
    if (deeper.length > (depth === 2 ? LINES : SCREEN)) break;
    rows = deeper;
  }
  if (rows.length <= LINES) return rows;
  return [...rows.slice(0, FEW), ["...", `and ${rows.length - FEW} more; --all shows them`, "", ""]];
}

/** Tensors of one module, down to `depth` parts of its name, are one line; a group of one is that tensor. */
function grouped(tensors: readonly TensorLine[], depth: number): Row[] {
  const groups = new Map<string, TensorLine[]>();
  for (const tensor of tensors) {
    const path = tensor.name.split(/(?<=[./])/); // each part with the separator behind it
    const group = path.slice(0, Math.max(1, Math.min(depth, path.length - 1))).join("");
    const members = groups.get(group);
    if (members) members.push(tensor);
    else groups.set(group, [tensor]);
  }
  return [...groups].map(([group, members]): Row => {
    if (members.length === 1) return rowOf(members[0]!);
    const values = members.reduce((n, t) => n + t.values, 0);
    const dtypes = [...new Set(members.map((t) => t.dtype))].join(", ");
    return [`${plain(group)}*`, count(members.length, "tensor"), values.toLocaleString("en"), dtypes];
  });
}

/** The line of one tensor. */
const rowOf = ({ name, shape, values, dtype }: TensorLine): Row => [
  plain(name),
  `(${shape.slice(0, 8).join(", ")}${shape.length > 8 ? `, ... ${shape.length} dimensions` : ""})`,
  values.toLocaleString("en"),
  dtype,
];

/** Rows with their columns in line; a name longer than WIDTH pushes its own row to the right. */
function columns(rows: readonly Row[]): string[] {
  const width = (column: number) => Math.min(WIDTH, Math.max(...rows.map((row) => row[column]!.length)));
  const [name, shape, values] = [width(0), width(1), width(2)];
  return rows.map((row) => `  ${row[0].padEnd(name)}  ${row[1].padEnd(shape)}  ${row[2].padStart(values)}  ${row[3]}`);
}

/** 7,102,086 bytes, and from a megabyte on how many. */
const size = (bytes: number): string =>
  `${bytes.toLocaleString("en")} bytes${bytes >= 1e6 ? ` (${(bytes / 1e6).toFixed(1)} MB)` : ""}`;

/** Four digits. */
const short = (value: number): string => String(Number(value.toPrecision(4)));

/** A text out of a file, safe for a terminal: what is not printable is written as an escape. */
export const plain = (text: string): string =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
