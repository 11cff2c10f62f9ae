// The loader's text transformation: from a checked-in .wgsl file to the text that the compiler gets.
//
//   1. `// @import common/x.wgsl`                            the file's lines, once
//   2. `const NAME: u32 = 4u;`  `alias NAME = f32;`          the value replaced by the caller's
//   3. `// @unroll` above  for (var i = 0u; i < N; i++) {    the body written out, i as a number
//   4. `// @registers` above  var c: array<vec4f, N>;        N variables c_0 .. ; every c[constant] rewritten
//   5. `subgroupShuffle(v, <constant>)`                      the adapter's broadcast, which takes only a constant lane
//
// Both software adapters keep an indexed array in memory and run constant loops as loops: 3 to 4 times slower than the
// text written out. A file is valid and right without any of the steps. Everything here is text to text: no GPU, no files.

/** Where a line of the result comes from; `line` counts from 1. */
export interface Origin { file: string; line: number }

export type ConstantValue = number | boolean | string;

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

/** A line of text on its way through the steps. */
interface Line { text: string; from: Origin }

type Environment = Map<string, number>;

export class ExpandError extends Error {
  constructor(from: Origin, message: string) {
    super(`${from.file}:${from.line}: ${message}`);
    this.name = "ExpandError";
  }
}

const DECLARATION = /^(const (\w+)(?:: (\w+))? = |alias (\w+) = )([^;]+)(;.*)$/;
const LOOP = /^(\s*)for \(var (\w+) = 0u; \2 < ([^;]+); \2\+\+\) \{(.*)$/;
const ARRAY = /^(\s*)var (\w+): array<(\w+), ([^>]+)>;(.*)$/;
const SHUFFLE = "subgroupShuffle(";

export function expand(text: string, options: ExpandOptions = {}): { text: string; lines: Origin[] } {
  const lines = inlineImports(text, options.file ?? "shader", options.read, new Set());
  const known = replaceConstants(lines, options.constants ?? {});
  const out = spreadShuffles(nameRegisters(unroll(lines, known), known), known, options.spread ?? "subgroupShuffle");
  return { text: out.map((l) => l.text).join("\n"), lines: out.map((l) => l.from) };
}

/** Step 1. A file that two others import is written once, where it is met first. */
function inlineImports(text: string, file: string, read: ExpandOptions["read"], seen: Set<string>): Line[] {
  return text.split("\n").flatMap((line, i): Line[] => {
    const from = { file, line: i + 1 };
    if (!/^\s*\/\/\s*@import\b/.test(line)) return [{ text: line, from }];
    const path = /^\s*\/\/ @import (\S+\.wgsl)\s*$/.exec(line)?.[1];
    if (!path) throw new ExpandError(from, "an import is written `// @import common/name.wgsl`.");
    if (!read) throw new ExpandError(from, `imports ${path}, but no way to read files was given.`);
    if (seen.has(path)) return [];
    seen.add(path);
    return inlineImports(read(path), path, read, seen);
  });
}

/** Step 2, in place. Returns every constant that is a whole number. */
function replaceConstants(lines: Line[], values: Record<string, ConstantValue>): Environment {
  const known: Environment = new Map(), declared: string[] = [];
  for (const line of lines) {
    const found = DECLARATION.exec(line.text);            // anchored at column 0: module scope
    if (!found) continue;
    const name = (found[2] ?? found[4]) as string, value = values[name];
    declared.push(name);
    if (value !== undefined) line.text = found[1] + literal(value, found[2] ? found[3] : "alias", name, line.from) + found[6];
    if (found[2] && found[3] !== "bool" && found[3] !== "f32") {
      const number = evaluate(value === undefined ? (found[5] as string) : String(value), known);
      if (number !== undefined) known.set(name, number);
    }
  }
  const unknown = Object.keys(values).filter((name) => !declared.includes(name));
  if (unknown.length > 0 && lines[0]) {
    throw new ExpandError(lines[0].from, `no constant or alias ${unknown.join(", ")}; there are: ${declared.join(", ") || "none"}.`);
  }
  return known;
}

/** A value as WGSL writes it. */
function literal(value: ConstantValue, type: string | undefined, name: string, from: Origin): string {
  const whole = typeof value === "number" && Number.isInteger(value);
  if (type === "alias" && typeof value === "string") return value;
  if (type === "bool" && typeof value === "boolean") return String(value);
  if (type === "u32" && whole && value >= 0) return `${value}u`;
  if (type === "i32" && whole) return `${value}i`;
  if (type === "f32" && typeof value === "number" && Number.isFinite(value)) return whole ? `${value}.0` : `${value}f`;
  throw new ExpandError(from, `${name} is ${type ?? "of no declared type"} and cannot become ${JSON.stringify(value)}.`);
}

/** Step 3. The bodies come out with their inner loops written out too. */
function unroll(lines: Line[], known: Environment): Line[] {
  const out: Line[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as Line;
    if (!/^\s*\/\/\s*@unroll\b/.test(line.text)) { out.push(line); continue; }
    const head = lines[++i], loop = head && LOOP.exec(head.text);
    if (!head || !loop) throw new ExpandError(line.from, "@unroll needs `for (var i = 0u; i < N; i++) {` on the next line.");
    const [, indent, name, bound, rest] = loop as unknown as [string, string, string, string, string];
    const count = evaluate(bound, known);
    if (count === undefined) throw new ExpandError(head.from, `@unroll: the bound \`${bound}\` is not a constant.`);

    const body: Line[] = [];
    let depth = 1, tail = rest, from = head.from;
    for (;;) {                                            // up to the brace that closes the loop
      const end = closing(tail, depth);
      if (end.at >= 0) {
        if (code(tail.slice(end.at + 1)).trim()) throw new ExpandError(from, "@unroll: nothing may follow the loop's closing brace.");
        body.push({ text: tail.slice(0, end.at), from });
        break;
      }
      body.push({ text: tail, from });
      depth = end.depth;
      const next = lines[++i];
      if (!next) throw new ExpandError(head.from, "@unroll: the loop is never closed.");
      tail = next.text; from = next.from;
    }
    const filled = body.filter((l) => l.text.trim());
    const braces = filled.some((l) => /\b(let|var|const)\b/.test(code(l.text)));
    const use = new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g");
    for (let n = 0; n < count; n++) {
      if (braces) out.push({ text: `${indent}{`, from: head.from });
      for (const l of unroll(filled.map((l) => ({ text: l.text.replace(use, `${n}u`), from: l.from })), known)) out.push(l);
      if (braces) out.push({ text: `${indent}}`, from });
    }
  }
  return out;
}

/** Step 4. A name is rewritten from its declaration to the end of the block around it. */
function nameRegisters(lines: Line[], known: Environment): Line[] {
  const out: Line[] = [], scopes: { name: string; count: number; depth: number; use: RegExp }[] = [];
  let depth = 0;
  for (let i = 0; i < lines.length; i++) {
    let { text, from } = lines[i] as Line;
    if (/^\s*\/\/\s*@registers\b/.test(text)) {
      const next = lines[++i], found = next && ARRAY.exec(next.text);
      if (!next || !found) throw new ExpandError(from, "@registers needs `var name: array<type, N>;` on the next line.");
      const [, indent, name, type, bound] = found as unknown as [string, string, string, string, string];
      const count = evaluate(bound, known);
      if (!count) throw new ExpandError(next.from, `@registers: the size \`${bound}\` of ${name} is not a constant of 1 or more.`);
      scopes.push({ name, count, depth, use: new RegExp(`(?<![\\w.])${name}(?!\\w)`) });
      for (let n = 0; n < count; n++) out.push({ text: `${indent}var ${name}_${n}: ${type};`, from: next.from });
      continue;
    }
    for (const { name, count, use } of scopes) {
      if (!text.includes(name)) continue;
      for (let found = use.exec(code(text)); found; found = use.exec(code(text))) {
        const start = found.index + name.length, end = text[start] === "[" ? matching(text, start) : -1;
        if (end < 0) throw new ExpandError(from, `${name} is @registers: it can only be used as ${name}[constant], on one line.`);
        const index = text.slice(start + 1, end), number = evaluate(index, known);
        if (number === undefined) throw new ExpandError(from, `${name} is @registers: its index \`${index}\` is not a constant. Is an @unroll missing?`);
        if (number >= count) throw new ExpandError(from, `${name}[${number}]: there are ${count} registers.`);
        text = `${text.slice(0, found.index)}${name}_${number}${text.slice(end + 1)}`;
      }
    }
    out.push({ text, from });
    for (const c of code(text)) depth += c === "{" ? 1 : c === "}" ? -1 : 0;
    while (scopes.length > 0 && (scopes.at(-1)?.depth ?? 0) > depth) scopes.pop();
  }
  return out;
}

/** Step 5. A shuffle whose lane is no constant stays: it is right as it stands. */
function spreadShuffles(lines: Line[], known: Environment, spread: string): Line[] {
  return lines.map(({ text, from }) => {
    for (let at = text.indexOf(SHUFFLE); at >= 0; at = text.indexOf(SHUFFLE, at + 1)) {
      const open = at + SHUFFLE.length - 1, end = matching(text, open), comma = text.lastIndexOf(",", end);
      if (end < 0) throw new ExpandError(from, "a subgroupShuffle must stand on one line.");
      const lane = evaluate(text.slice(comma + 1, end), known);
      if (lane === undefined) continue;
      if (spread === "quadBroadcast" && lane > 3) throw new ExpandError(from, `lane ${lane} of a quad: a subgroup size of 4 was asked for.`);
      text = `${text.slice(0, at)}${spread}${text.slice(open, comma)}, ${lane}u${text.slice(end)}`;
    }
    return { text, from };
  });
}

/** The line without its comment. */
function code(text: string): string {
  const at = text.indexOf("//");
  return at < 0 ? text : text.slice(0, at);
}

/** Where the brace depth falls to 0 (or -1), and the depth at the line's end. */
function closing(text: string, depth: number): { at: number; depth: number } {
  const line = code(text);
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "{") depth++;
    if (line[at] === "}" && --depth === 0) return { at, depth };
  }
  return { at: -1, depth };
}

/** The place of the bracket that closes the one at `open`, or -1. */
function matching(text: string, open: number): number {
  for (let at = open, depth = 0; at < text.length; at++) {
    if ("([".includes(text[at] as string)) depth++;
    if (")]".includes(text[at] as string) && --depth === 0) return at;
  }
  return -1;
}

/** The value of a whole-number expression of literals, known constants, + - * / % and brackets; undefined for anything else. */
export function evaluate(expression: string, known: Environment): number | undefined {
  const tokens = expression.match(/\w+|[^\s\w]/g) ?? [];
  let at = 0;
  function operand(): number {
    const token = tokens[at++] ?? "";
    if (token === "(") {
      const value = sum();
      return tokens[at++] === ")" ? value : Number.NaN;
    }
    return /^\d+[ui]?$/.test(token) ? Number.parseInt(token, 10) : (known.get(token) ?? Number.NaN);
  }
  function product(): number {
    let value = operand();
    while (tokens[at] === "*" || tokens[at] === "/" || tokens[at] === "%") {
      const operator = tokens[at++], right = operand();
      value = operator === "*" ? value * right : operator === "/" ? Math.trunc(value / right) : value % right;
    }
    return value;
  }
  function sum(): number {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") value = tokens[at++] === "+" ? value + product() : value - product();
    return value;
  }
  const value = sum();
  return at === tokens.length && Number.isInteger(value) && value >= 0 ? value : undefined;
}
