// npm run -s size [-- --json]: lines per folder, and the budgets of a codebase that can be read. Exit code 1 above one.
//
// Budgets      kernel 20-200 lines (common/ from 5), op under 250, model under 350, other files under 500, comment lines
//              10-25 %. Engine without ops and file formats (io/): near 2,000, held at 4,500 with the layers (nn.ts), optimisers and
//              replay. Functions: median under 12 lines, nine in ten under 40, none above 120; a kernel's main, whose registers no
//              other function sees, 140.
// Functions    are found by indentation, which the formatter keeps: from a line that opens one to the `}` below its first letter.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

interface FileSize {
  /** From the root. */
  path: string;
  lines: number;
  /** Lines that are nothing but comment. */
  comments: number;
  /** Lines of each function. */
  functions: number[];
}

const FOLDERS = [
  "engine",
  "shaders",
  "models",
  "sample",
  "train",
  "data",
  "evaluate",
  "files",
  "bench",
  "demo",
  "bin",
  "tools",
  "test",
];
/** Lines of engine/*.ts. Whoever needs more finds something to take out first. */
const ENGINE_CEILING = 4500;
/** Lines of a function, at most. */
const longestIn = (path: string): number => (path.endsWith(".wgsl") ? 140 : 120);
/** Least and most share of lines that are comments: below, a newcomer is lost; above, the code is told twice. */
const COMMENTS = [0.1, 0.25] as const;
/** Folders of fewer lines say nothing about the share of comments. */
const ENOUGH_LINES = 300;

/** A function's first line, a method's included. Arrow functions of one line are not counted. */
const OPENS =
  /^(\s*)(?:export )?(?:(?:async )?function\*? \w+|(?:(?:private|static|override|async|get|set) )*\w+\([^)]*\)(?:: [^{]+)? \{$|const \w+ = (?:async )?\([^)]*\).*=> \{$|fn \w+)/;
const NO_FUNCTION = /^\s*(?:if|for|while|switch|return|else|catch)\b/;

/** Counts one file. */
function measure(path: string, text: string): FileSize {
  const lines = text.replace(/\n$/, "").split("\n");
  let inside = false;
  const comments = lines.filter((line) => {
    const starts = /^\s*\/\*/.test(line);
    const counts = inside || starts || /^\s*\/\//.test(line);
    if (inside || starts) inside = !line.includes("*/");
    return counts;
  }).length;
  const functions = lines.flatMap((line, i) => {
    const indent = NO_FUNCTION.test(line) ? undefined : OPENS.exec(line)?.[1];
    if (indent === undefined || /\}\s*$/.test(line)) return [];
    const end = lines.findIndex((l, k) => k > i && l.startsWith(`${indent}}`));
    return end < 0 ? [] : [end - i + 1];
  });
  return { path, lines: lines.length, comments, functions };
}

/** Every .ts and .wgsl file of the project's folders. */
function measureAll(root: string): FileSize[] {
  return FOLDERS.flatMap((folder) => {
    if (!existsSync(join(root, folder))) return [];
    const names = readdirSync(join(root, folder), { recursive: true }) as string[];
    return names
      .filter((f) => /\.(ts|wgsl)$/.test(f) && !f.includes("node_modules")) // bench/peers has its own
      .sort()
      .map((f) => measure(join(folder, f), readFileSync(join(root, folder, f), "utf8")));
  });
}

/** What is above (or below) its budget, one line each. */
function overBudget(files: readonly FileSize[]): string[] {
  const over = files.flatMap(({ path, lines, functions }) => {
    const [least, most] = limitsOf(path);
    const problems =
      lines > most || lines < least
        ? [`${path}: ${lines} lines, the budget is ${least ? `${least} to ` : ""}${most}`]
        : [];
    const longest = Math.max(0, ...functions);
    const longestAllowed = longestIn(path);
    if (longest > longestAllowed)
      problems.push(`${path}: a function of ${longest} lines, the budget is ${longestAllowed}`);
    return problems;
  });
  const engine = sum(files.filter(isEngineCore).map((f) => f.lines));
  if (engine > ENGINE_CEILING) over.push(`engine without ops and io: ${engine} lines, the budget is ${ENGINE_CEILING}`);
  for (const { name, lines, comments } of folders(files)) {
    const share = comments / lines;
    if (name === "test" || lines < ENOUGH_LINES || (share >= COMMENTS[0] && share <= COMMENTS[1])) continue;
    over.push(`${name}: ${percent(share)} of the lines are comments, the budget is 10 to 25 %`);
  }
  const { median, ninth } = lengths(files);
  if (median >= 12) over.push(`functions: the median is ${median} lines, the budget is under 12`);
  if (ninth >= 40) over.push(`functions: one in ten has ${ninth} lines or more, the budget is under 40`);
  return over;
}

/** Fewest and most lines of a file. */
function limitsOf(path: string): readonly [number, number] {
  if (path.startsWith("shaders/common/")) return [5, 200];
  if (path.startsWith("shaders/")) return [20, 200];
  if (path.startsWith("engine/ops/")) return [0, 250];
  if (path.startsWith("models/")) return [0, 350];
  return [0, 500];
}

const isEngineCore = ({ path }: FileSize) => dirname(path) === "engine";
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Sums by folder; engine/ops and engine/io count by themselves. */
function folders(files: readonly FileSize[]): { name: string; files: number; lines: number; comments: number }[] {
  const groups = new Map<string, FileSize[]>();
  for (const file of files) {
    const name = /^engine\/(ops|io)\//.test(file.path) ? dirname(file.path) : file.path.split("/")[0]!;
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  return [...groups].map(([name, list]) => ({
    name,
    files: list.length,
    lines: sum(list.map((f) => f.lines)),
    comments: sum(list.map((f) => f.comments)),
  }));
}

/** Of all functions outside test/: the median, what nine in ten stay under, and the longest. */
function lengths(files: readonly FileSize[]): { median: number; ninth: number; longest: number } {
  const all = files
    .filter((f) => !f.path.startsWith("test/"))
    .flatMap((f) => f.functions)
    .sort((a, b) => a - b);
  const at = (share: number) => all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0;
  return { median: at(0.5), ninth: at(0.9), longest: at(1) };
}

/** Prints the table or JSON; returns the exit code. */
function main(): number {
  const root = rootAbove(fileURLToPath(import.meta.url));
  const files = measureAll(root);
  const over = overBudget(files);
  const engine = sum(files.filter(isEngineCore).map((f) => f.lines));
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ folders: folders(files), engineWithoutOps: engine, functions: lengths(files), over }));
    return over.length ? 1 : 0;
  }
  console.log("folder        files   lines  comments");
  for (const { name, files: n, lines, comments } of folders(files)) {
    console.log(
      `${name.padEnd(13)} ${String(n).padStart(5)} ${String(lines).padStart(7)} ${percent(comments / lines).padStart(9)}`,
    );
  }
  const { median, ninth, longest } = lengths(files);
  console.log(
    `engine without ops and io: ${engine} lines. Functions: median ${median} lines, nine in ten under ${ninth + 1}, longest ${longest}.`,
  );
  for (const line of over) console.log(`over: ${line}`);
  return over.length ? 1 : 0;
}

/** The project's folder, from this file or from its bundle in dist/. */
function rootAbove(path: string): string {
  const folder = dirname(path);
  return existsSync(join(folder, "setup.mjs")) ? folder : rootAbove(folder);
}

if (process.argv[1] && /\bsize\.(mjs|ts)$/.test(relative(".", process.argv[1]))) process.exitCode = main();
