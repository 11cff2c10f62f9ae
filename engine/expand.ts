// The loader's text transformation: from a checked-in .wgsl file to the text that the compiler gets.
//
//   1. `// @import common/x.wgsl`                            the file's lines, once
//   2. `const NAME: u32 = 4u;`  `alias NAME = f32;`          the value replaced by the caller's
//   3. `// @unroll` above  for (var i = 0u; i < N; i++) {    the body written out, i as a number
//   4. `// @registers` above  var c: array<vec4f, N>;        N variables c_0 .. ; every c[constant] rewritten
//   5. `subgroupShuffle(v, <constant>)`                      the adapter's broadcast, which takes only a constant lane;
//      `subgroupShuffleXor(v, <constant>)` in a quad         its swap
//
// `// @unroll NAME` and `// @registers NAME` count where the constant NAME is true. Two @registers above an array of arrays name
// its elements at both levels.
//
// Both software adapters keep an indexed array in memory and run constant loops as loops: 3 to 4 times slower than the
// text written out. A file is valid and right without steps 2 to 5. Text to text: no GPU, no files.

import { type ConstantValue, closing, code, evaluate, type Known, literal, nesting, word } from "./wgsl-text.js";

/** Where a line of the result comes from; `line` counts from 1. */
export interface Origin {
  file: string;
  line: number;
}

export type { ConstantValue };

export interface ExpandOptions {
  /** The name that origins and errors show. */
  file?: string;
  /** New values of module-scope constants and aliases, by name. */
  constants?: Record<string, ConstantValue>;
  /** What a shuffle from a constant lane becomes. `quadBroadcast` is for adapters whose subgroup is one quad. */
  spread?: "subgroupShuffle" | "subgroupBroadcast" | "quadBroadcast";
  /** The text of an imported file. */
  read?: (path: string) => string;
}

type Line = { text: string; from: Origin };

export class ExpandError extends Error {
  constructor(from: Origin, message: string) {
    super(`${from.file}:${from.line}: ${message}`);
    this.name = "ExpandError";
  }
}

const MARKER = /^\s*\/\/\s*@(\w+)(?: ([A-Z_]+)\s*$)?/;
const DECLARATION = /^((?:const|alias) (\w+)(?:: (\w+))? = )([^;]+)(;.*)$/; // from column 0: module scope
const LOOP = /^(\s*)for \(var (\w+) = 0u; \2 < ([^;]+); \2\+\+\) \{(.*)$/;
const ARRAY = /^(\s*)var (\w+): array<(.+), ([^,<>]+)>;/;
const SHUFFLE = /\bsubgroupShuffle(Xor)?\(/g;
/** What exchanges the values of lanes that differ by 0 to 3. */
const SWAPS = ["", "quadSwapX", "quadSwapY", "quadSwapDiagonal"];

export function expand(text: string, options: ExpandOptions = {}): { text: string; lines: Origin[] } {
  const lines = inlineImports(text, options.file ?? "shader", options.read, new Set());
  const known = replaceConstants(lines, options.constants ?? {});
  const out = nameRegisters(unroll(lines, known), known);
  const texts = out.map((line) => spreadShuffles(line, known, options.spread ?? "subgroupShuffle"));
  return { text: texts.join("\n"), lines: out.map((line) => line.from) };
}

/** Step 1. A file that two others import is written once, where it is met first. */
function inlineImports(text: string, file: string, read: ExpandOptions["read"], seen: Set<string>): Line[] {
  return text.split("\n").flatMap((line, i): Line[] => {
    const from = { file, line: i + 1 };
    const marker = MARKER.exec(line)?.[1];
    if (marker && !["import", "unroll", "registers"].includes(marker)) {
      throw new ExpandError(from, `unknown marker @${marker}; there are @import, @unroll and @registers.`);
    }
    if (marker !== "import") return [{ text: line, from }];
    const path = /@import (\S+\.wgsl)\s*$/.exec(line)?.[1];
    if (!path) throw new ExpandError(from, "an import is written `// @import common/name.wgsl`.");
    if (!read) throw new ExpandError(from, `imports ${path}, but no way to read files was given.`);
    if (seen.has(path)) return [];
    seen.add(path);
    return inlineImports(read(path), path, read, seen);
  });
}

/** Step 2, in place. Returns every constant that is a whole number. */
function replaceConstants(lines: Line[], constants: Record<string, ConstantValue>): Known {
  const known: Known = new Map();
  const values = new Map(Object.entries(constants));
  const names: string[] = [];
  for (const line of lines) {
    const [, before, name, type, old, after] = DECLARATION.exec(line.text) ?? [];
    if (!before || !name || !old) continue;
    const value = values.get(name);
    const kind = before.startsWith("alias") ? "alias" : type;
    const fresh = value === undefined ? old : literal(value, kind);
    if (!fresh)
      throw new ExpandError(line.from, `${name} (${kind ?? "no type"}) cannot become ${JSON.stringify(value)}.`);
    names.push(name);
    line.text = before + fresh + after;
    const number = kind === "alias" ? undefined : kind === "bool" ? Number(fresh === "true") : evaluate(fresh, known);
    if (number !== undefined) known.set(name, number);
  }
  const wrong = [...values.keys()].filter((name) => !names.includes(name)).join(", ");
  if (!wrong) return known;
  throw new ExpandError(lines[0]!.from, `no constant or alias ${wrong}; there are: ${names.join(", ") || "none"}.`);
}

/** Whether the line is this marker, and the constant that it may name is true. */
function marks({ text, from }: Line, kind: "unroll" | "registers", known: Known): boolean {
  const [, found, condition] = MARKER.exec(text) ?? [];
  if (found !== kind || !condition) return found === kind;
  const value = known.get(condition);
  if (value === undefined) throw new ExpandError(from, `@${kind}: there is no constant ${condition}.`);
  return value === 1;
}

/** Step 3. Inner loops are written out once the outer number is known: their bounds may use it. */
function unroll(lines: Line[], known: Known): Line[] {
  const out: Line[] = [];
  for (let i = 0; i < lines.length; i++) {
    const { text, from } = lines[i]!;
    if (!marks(lines[i]!, "unroll", known)) {
      out.push({ text, from });
      continue;
    }
    const [, indent, name, bound, rest] = LOOP.exec(lines[++i]?.text ?? "") ?? [];
    const head = lines[i]?.from ?? from;
    if (!bound) throw new ExpandError(from, "@unroll needs `for (var i = 0u; i < N; i++) {` on the next line.");
    const count = evaluate(bound, known);
    if (count === undefined) throw new ExpandError(head, `@unroll: the bound \`${bound}\` is not a constant.`);

    const body: Line[] = [{ text: rest ?? "", from: head }];
    let depth = 1 + nesting(rest ?? "");
    while (depth > 0) {
      const line = lines[++i];
      if (!line) throw new ExpandError(head, "@unroll: the loop is never closed.");
      depth += nesting(line.text);
      body.push(line);
    }
    const last = body.pop()!;
    const brace = code(last.text).lastIndexOf("}");
    if (
      depth < 0 ||
      code(last.text)
        .slice(brace + 1)
        .trim()
    ) {
      throw new ExpandError(last.from, "@unroll: nothing may follow the loop's closing brace.");
    }
    const filled = [...body, { ...last, text: last.text.slice(0, brace) }].filter((l) => l.text.trim());
    const declares = filled.some((l) => /(?<!for \()\b(let|var|const)\b/.test(code(l.text)));
    const use = word(name!, "g");
    for (let n = 0; n < count; n++) {
      if (declares) out.push({ text: `${indent}{`, from: head });
      const copy = filled.map((l) => ({ text: l.text.replace(use, `${n}u`), from: l.from }));
      for (const l of unroll(copy, known)) out.push(l);
      if (declares) out.push({ text: `${indent}}`, from: last.from });
    }
  }
  return out;
}

/** Step 4. A name is rewritten from its declaration to the end of the block around it. */
function nameRegisters(given: readonly Line[], known: Known): Line[] {
  const lines = [...given];
  const out: Line[] = [];
  const scopes: { name: string; count: number; depth: number; use: RegExp }[] = []; // innermost first
  let depth = 0;
  for (let i = 0; i < lines.length; i++) {
    let { text, from } = lines[i]!;
    if (marks(lines[i]!, "registers", known)) {
      const inner = MARKER.exec(lines[i + 1]?.text ?? "")?.[1] === "registers" ? [lines[++i]!] : [];
      const [all, indent, name, type, bound] = ARRAY.exec(lines[++i]?.text ?? "") ?? [];
      if (!all) throw new ExpandError(from, "@registers needs `var name: array<type, N>;` on the next line.");
      const count = evaluate(bound!, known);
      if (!count)
        throw new ExpandError(from, `@registers: the size \`${bound}\` of ${name} is no constant of 1 or more.`);
      scopes.unshift({ name: name!, count, depth, use: word(name!) });
      const named = Array.from({ length: count }, (_, n) => `${indent}var ${name}_${n}: ${type};`);
      const origin = lines[i]!.from;
      lines.splice(i + 1, 0, ...named.flatMap((line) => [...inner, { text: line, from: origin }]));
      continue;
    }
    for (let k = 0; k < scopes.length; k++) {
      const { name, count, use } = scopes[k]!;
      if (!text.includes(name)) continue;
      for (let found = use.exec(code(text)); found; found = use.exec(code(text))) {
        const start = found.index + name.length;
        const end = text[start] === "[" ? closing(text, start) : -1;
        if (end < 0) throw new ExpandError(from, `${name} is @registers: use it as ${name}[constant], on one line.`);
        const index = text.slice(start + 1, end);
        const n = evaluate(index, known);
        const why = n === undefined ? "is not a constant. Is an @unroll missing?" : `is ${n}: there are ${count}.`;
        if (n === undefined || n >= count)
          throw new ExpandError(from, `${name} is @registers: its index \`${index}\` ${why}`);
        text = `${text.slice(0, found.index)}${name}_${n}${text.slice(end + 1)}`;
        k = -1; // the new name may itself be that of an array in registers
      }
    }
    out.push({ text, from });
    for (const c of code(text)) {
      if (c === "{") depth++;
      if (c === "}") depth--;
      while (scopes[0] && scopes[0].depth > depth) scopes.shift();
    }
  }
  return out;
}

/** Step 5. A shuffle whose lane is no constant stays: it is right as it stands. */
function spreadShuffles({ text, from }: Line, known: Known, spread: string): string {
  const quad = spread === "quadBroadcast";
  for (const found of [...text.matchAll(SHUFFLE)].reverse()) {
    const open = found.index + found[0].length - 1;
    const end = closing(text, open);
    const comma = text.lastIndexOf(",", end);
    if (end < 0) throw new ExpandError(from, "a subgroupShuffle must stand on one line.");
    const lane = evaluate(text.slice(comma + 1, end), known);
    const swap = found[1] !== undefined;
    if (lane === undefined || (swap && (!quad || lane > 3))) continue;
    if (quad && lane > 3) throw new ExpandError(from, `a quad has no lane ${lane}.`);
    const value = text.slice(open, comma);
    const call = swap ? `${SWAPS[lane]}${value})` : `${spread}${value}, ${lane}u)`;
    text = text.slice(0, found.index) + call + text.slice(end + 1);
  }
  return text;
}
