// The values that protocol 0 writes as lines of text: numbers, and texts with Python's escapes.

import { Bytes } from "./pickle-values.js";
import { pickleReasons, type Refuse } from "./refusals.js";

/** Bytes or digits of an integer. Reading and printing a long one takes time quadratic in its length. */
const INTEGER_LIMIT = 1000;

/** A line as it stands, one letter per byte. */
export const latin1 = (line: Bytes): string =>
  Buffer.from(line.from.buffer, line.from.byteOffset + line.start, line.length).toString("latin1");

/** `I`: 00 and 01 are False and True (protocol 0 and 1); `L`: a long, with or without its L. */
export function integer(line: Bytes, truths: boolean, refuse: Refuse): boolean | number | bigint {
  if (line.length > INTEGER_LIMIT) refuse(pickleReasons.digits(line.length, INTEGER_LIMIT));
  const text = latin1(line);
  if (truths && (text === "00" || text === "01")) return text === "01";
  const [, digits] = /^([+-]?\d+)L?$/.exec(text) ?? refuse(pickleReasons.number(text));
  return narrow(BigInt(digits!.replace("+", "")));
}

/** `F`: what Python's repr writes. */
export function float(line: Bytes, refuse: Refuse): number {
  if (line.length > INTEGER_LIMIT) refuse(pickleReasons.digits(line.length, INTEGER_LIMIT));
  const text = latin1(line);
  const named = /^([+-]?)(inf|nan)$/i.exec(text);
  if (named) return named[2]!.toLowerCase() === "nan" ? Number.NaN : Number(`${named[1]}Infinity`);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) refuse(pickleReasons.number(text));
  return Number(text);
}

/** Little-endian two's complement. */
export function longOf(bytes: Bytes, refuse: Refuse): number | bigint {
  if (bytes.length > INTEGER_LIMIT) refuse(pickleReasons.digits(bytes.length, INTEGER_LIMIT));
  if (bytes.length === 0) return 0;
  const digits = Buffer.from(bytes.view).reverse().toString("hex");
  return narrow(BigInt.asIntN(8 * bytes.length, BigInt(`0x${digits}`)));
}

const narrow = (n: bigint): number | bigint => {
  const small = Number(n);
  return Number.isSafeInteger(small) ? small : n;
};

// biome-ignore format: a table
const ESCAPES: Record<string, number> = {
  "\\": 92, "'": 39, '"': 34, a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11,
};

/** `S`: Python 2's str as its repr, in either quotes. */
export function quoted(line: Bytes, refuse: Refuse): Bytes {
  const text = latin1(line).trimEnd();
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) refuse(pickleReasons.quotes);
  const out = new Uint8Array(text.length - 2);
  let n = 0;
  for (let at = 1; at < text.length - 1; n++) {
    if (text[at] !== "\\") {
      out[n] = text.charCodeAt(at++);
      continue;
    }
    const letter = text[at + 1]!;
    const simple = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (simple !== undefined) {
      out[n] = simple;
      at += 2;
      if (at > text.length - 1) refuse(pickleReasons.escape); // the closing quote itself is escaped
    } else {
      const [whole, hex] =
        matchAt(/\\(?:x([0-9a-fA-F]{2})|[0-3]?[0-7]{1,2})/y, text, at) ?? refuse(pickleReasons.escape);
      out[n] = hex ? Number.parseInt(hex, 16) : Number.parseInt(whole!.slice(1), 8);
      at += whole!.length;
    }
  }
  return new Bytes(out, 0, n);
}

/** `V`: Latin-1 text in which \uXXXX and \UXXXXXXXX stand for the other characters. */
export function rawUnicode(line: Bytes, refuse: Refuse): string {
  return latin1(line).replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[uU])/g, (_, short, long) => {
    const code = Number.parseInt(short ?? long ?? "", 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : refuse(pickleReasons.escape);
  });
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
