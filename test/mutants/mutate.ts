// From the text of a kernel to its mutants: copies with one operator, sign, argument or constant changed.
//
//   + - * / %  and their assignments     + <-> -, * <-> /, % -> /        && ||            the other
//   < <= > >= == !=                      < <-> <=, > <-> >=, == <-> !=   -x               x
//   min max                              the other                       select(a, b, c)  select(b, a, c)
//   numbers                              n -> n + 1, 0.0 -> 1.0, x.y -> 1.1 x.y; WORKGROUP -> WORKGROUP - 1, since a larger one
//                                        covers the same elements with lanes to spare
//
// Left alone: comments, attributes, types, signatures, structs, bindings; the `0u` and `<` of an unrolled loop's head, which
// the loader wants as they are; `if (lane == 0u)` in kernels that import common/reduce.wgsl, whose sums every lane holds, so
// that any may store them. A constant that every launch replaces is the runner's business (`constant` names it).

export interface Mutant {
  /** Stable when lines move: file, the line's code, column in it, change. The key of accepted.json. */
  id: string;
  /** Below shaders/. */
  file: string;
  line: number;
  /** The line as it stands, without its comment. */
  code: string;
  from: string;
  to: string;
  /** Set in the value of a module-scope constant: its name. */
  constant: string | undefined;
  /** Where `from` stands in the file's text. */
  edits: readonly Edit[];
}

interface Edit {
  at: number;
  length: number;
  to: string;
}

interface Token {
  text: string;
  at: number;
  kind: "number" | "name" | "other";
}

const TOKEN =
  /(0x[\da-f]+[ui]?|\d+\.\d*(?:e[+-]?\d+)?[fh]?|\.\d+(?:e[+-]?\d+)?[fh]?|\d+(?:e[+-]?\d+)?[uifh]?)|([a-z_]\w*)|->|\+\+|--|<<=?|>>=?|[<>=!]=|&&|\|\||[-+*/%&|^]=|\S/gi;

const SWAPS: Record<string, string> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "/",
  "+=": "-=",
  "-=": "+=",
  "*=": "/=",
  "/=": "*=",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "==": "!=",
  "!=": "==",
  "&&": "||",
  "||": "&&",
  min: "max",
  max: "min",
};
/** Names behind which `<` opens a list of types. */
const TEMPLATES = /\b(?:array|vec[234]|mat\dx\d|bitcast|ptr|atomic|var)</g;
/** Text in which nothing is changed: whole declarations, attributes, signatures. */
const SKIPPED = [
  /\bstruct\s+\w+\s*\{[^}]*\}/g,
  /@group\([^;]*;/g,
  /^(?:var<[^;]*|alias [^;]*|enable [^;]*|override [^;]*|requires [^;]*);/gm,
  /@\w+(?:\([^)]*\))?/g,
];
const ANY_LANE = /\bif \(lane == 0u\)/g;
const HAS_SUMS = /^\/\/ @import common\/(?:reduce|row_tree)\.wgsl/m;
const UNROLLED = /\/\/\s*@unroll\s*\n\s*for \((var \w+ = 0u; \w+ <)/g;

/** Every mutant of `text`, in the file's order. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const clean = blank(text);
  const constants = moduleConstants(clean);
  const tokens = tokenize(clean);
  const lines = text.split("\n");
  const seen = new Map<string, number>();
  return tokens.flatMap((token, i) => {
    const constant = constants.find((c) => c.from <= token.at && token.at < c.to)?.name;
    const edits = change(tokens, i, constant === "WORKGROUP" ? -1 : 1);
    if (!edits.length) return [];
    const start = clean.lastIndexOf("\n", token.at) + 1;
    const line = clean.slice(0, start).split("\n").length;
    const whole = lines[line - 1]!.split("//", 1)[0]!;
    const code = whole.trim();
    const column = token.at - start - (whole.length - whole.trimStart().length);
    const from = edits.length > 1 ? edits.map((e) => text.slice(e.at, e.at + e.length)).join(", ") : token.text;
    const to = edits.map((e) => e.to).join(", ") || "(nothing)";
    const key = `${file} | ${code} | ${column}: ${from} -> ${to}`;
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return [{ id: before ? `${key} #${before + 1}` : key, file, line, code, from, to, constant, edits }];
  });
}

/** The file's text with the change made. */
export function mutate(text: string, { edits }: Mutant): string {
  let out = text;
  for (const { at, length, to } of [...edits].sort((a, b) => b.at - a.at))
    out = out.slice(0, at) + to + out.slice(at + length);
  return out;
}

/** What to change at token i, a whole number by `step`; nothing where it is no operator, sign, argument list or number. */
function change(tokens: readonly Token[], i: number, step: number): Edit[] {
  const { text, at, kind } = tokens[i]!;
  const one = (to: string): Edit[] => [{ at, length: text.length, to }];
  if (kind === "number") return one(another(text, step));
  if (kind === "name" && tokens[i + 1]?.text !== "(") return [];
  if (text === "select") return swapArguments(tokens, i + 1);
  const before = tokens[i - 1];
  const isUnary =
    !before || (before.kind === "other" ? !/^[)\]]$/.test(before.text) : /^(return|case|else)$/.test(before.text));
  if (isUnary && kind === "other") return text === "-" ? one("") : [];
  const to = SWAPS[text];
  return to === undefined ? [] : one(to);
}

/** n -> n + step, 0.0 -> 1.0, x.y -> 1.1 x.y; the suffix stays. */
function another(number: string, step: number): string {
  const [, digits, suffix] = /^(0x[\da-f]+|[\d.]+(?:e[+-]?\d+)?)([uifh]?)$/i.exec(number)!;
  const value = Number(digits);
  const isFloat = /[.e]/i.test(digits!) && !digits!.startsWith("0x");
  if (!isFloat) return `${value + step}${suffix}`;
  if (value === 0) return `1.0${suffix}`;
  const scaled = String(Number((value * 1.1).toPrecision(12)));
  return `${/[.e]/.test(scaled) ? scaled : `${scaled}.0`}${suffix}`;
}

/** select(a, b, c) at its bracket: a and b trade places. */
function swapArguments(tokens: readonly Token[], open: number): Edit[] {
  const commas: number[] = [];
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const { text } = tokens[i]!;
    if (/^[([{]$/.test(text)) depth++;
    if (/^[)\]}]$/.test(text) && --depth === 0) break;
    if (text === "," && depth === 1) commas.push(i);
  }
  const [first, second] = commas;
  if (first === undefined || second === undefined) return [];
  const span = (from: number, to: number) => {
    const at = tokens[from]!.at;
    const last = tokens[to]!;
    return { at, length: last.at + last.text.length - at, tokens: tokens.slice(from, to + 1) };
  };
  const a = span(open + 1, first - 1);
  const b = span(first + 1, second - 1);
  return [
    { ...a, to: written(b.tokens) },
    { ...b, to: written(a.tokens) },
  ].map(({ at, length, to }) => ({ at, length, to }));
}

const written = (tokens: readonly Token[]): string =>
  tokens.map((t, i) => " ".repeat(i ? t.at - tokens[i - 1]!.at - tokens[i - 1]!.text.length : 0) + t.text).join("");

function tokenize(clean: string): Token[] {
  return [...clean.matchAll(TOKEN)].map((m) => ({
    text: m[0],
    at: m.index,
    kind: m[1] ? "number" : m[2] ? "name" : "other",
  }));
}

/** Module-scope `const NAME: type = value;`: where the value stands. */
function moduleConstants(clean: string): { name: string; from: number; to: number }[] {
  return [...clean.matchAll(/^const (\w+)[^=\n]*=([^;]*);/gm)].map((m) => {
    const to = m.index + m[0].length;
    return { name: m[1]!, from: to - 1 - m[2]!.length, to };
  });
}

/**
 * The text with all that must not change blanked out, length and lines kept. Types are blanked by a name, so that what is
 * behind them reads on: `vec2<u32>(0u)` becomes `vec2_____(0u)`.
 */
function blank(text: string): string {
  const wipe = (s: string, fill = " ") => s.replace(/[^\n]/g, fill);
  let out = text.replace(/\/\*[\s\S]*?\*\//g, (m) => wipe(m));
  out = out.replace(UNROLLED, (all, head: string) => all.slice(0, all.length - head.length) + wipe(head));
  out = out.replace(/\/\/.*/g, (m) => wipe(m));
  if (HAS_SUMS.test(text)) out = out.replace(ANY_LANE, (m) => wipe(m));
  for (const pattern of SKIPPED) out = out.replace(pattern, (m) => wipe(m));
  out = out.replace(/\bfn\s+\w+\s*\([^{]*\{/g, (m) => `${wipe(m.slice(0, -1))}{`);
  for (const { index, 0: name } of [...out.matchAll(TEMPLATES)]) {
    const open = index + name.length - 1;
    if (out[open] !== "<") continue; // inside a list that is blank already
    const end = closingAngle(out, open);
    out = out.slice(0, open) + wipe(out.slice(open, end + 1), "_") + out.slice(end + 1);
  }
  return out;
}

function closingAngle(text: string, open: number): number {
  for (let at = open, depth = 0; at < text.length; at++) {
    if (text[at] === "<") depth++;
    if (text[at] === ">" && --depth === 0) return at;
  }
  return text.length - 1;
}
