// What the loader understands of a line of WGSL: its code, names, brackets, and whole-number expressions (expand.ts).

/** What the host may put in a constant's place; a string is a type for an alias. */
export type ConstantValue = number | boolean | string;

/** Names and values of the constants that are whole numbers. */
export type Known = Map<string, number>;

/** The value of a whole-number expression (literals, known constants, + - * / %, brackets); undefined for anything else. */
export function evaluate(expression: string, known: Known): number | undefined {
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
      const operator = tokens[at++];
      const right = operand();
      value = operator === "*" ? value * right : operator === "/" ? Math.trunc(value / right) : value % right;
    }
    return value;
  }
  function sum(): number {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-")
      value = tokens[at++] === "+" ? value + product() : value - product();
    return value;
  }
  const value = sum();
  return at === tokens.length && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** The name alone: not a member, not part of a longer name. */
export const word = (name: string, flags = "") => new RegExp(`(?<![\\w.])${name}(?!\\w)`, flags);

/** The line without its comment. */
export const code = (text: string) => text.split("//", 1)[0]!;

/** The place of the bracket that closes the one at `open`, or -1. */
export function closing(text: string, open: number): number {
  for (let at = open, depth = 0; at < text.length; at++) {
    if (text[at] === "(" || text[at] === "[") depth++;
    if ((text[at] === ")" || text[at] === "]") && --depth === 0) return at;
  }
  return -1;
}

/** How much deeper in braces the line ends than it begins. */
export const nesting = (text: string) => code(text).split("{").length - code(text).split("}").length;

/** A value as WGSL writes one of this type; undefined where it does not fit. */
export function literal(value: ConstantValue, type: string | undefined): string | undefined {
  if (type === "alias" && typeof value === "string") return value;
  if (type === "bool" && typeof value === "boolean") return String(value);
  if (type === "f32" && Number.isFinite(value)) return `${value}f`;
  if (type === "i32" && Number.isInteger(value)) return `${value}i`;
  if (type === "u32" && Number.isInteger(value) && Number(value) >= 0) return `${value}u`;
  return undefined;
}
