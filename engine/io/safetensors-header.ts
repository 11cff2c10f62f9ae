// The JSON header of a safetensors file, read strictly. JSON.parse alone would not do: of two tensors with one name it
// keeps the last in silence, it takes 1.0 and 1e3 for sizes, and it follows any depth of nesting. The header knows one
// shape only, so its grammar is short:
//
//   header   {"name": entry, ..., "__metadata__": {"key": "text", ...}}        then spaces alone
//   entry    {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}        in any order, each exactly once

import type { Refuse } from "./safetensors.js";

export interface Entry {
  dtype: string;
  shape: number[];
  /** From the beginning of the data, in bytes. */
  begin: number;
  end: number;
}

export interface Header {
  entries: Map<string, Entry>;
  metadata: Map<string, string>;
}

/** Parses the header's bytes; `refuse` throws, given the reason. */
export function parseHeader(bytes: Uint8Array, refuse: Refuse): Header {
  if (bytes[0] !== 0x7b) refuse("its header does not begin with {");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("its header is not UTF-8 text");
  }
  const json = new Scanner(text, refuse);
  const entries = new Map<string, Entry>();
  let metadata: Map<string, string> | undefined;
  json.object((name) => {
    if (name === "__metadata__") {
      if (metadata) json.fail("__metadata__ appears twice");
      metadata = parseMetadata(json);
    } else {
      if (entries.has(name)) json.fail("two tensors have one name");
      entries.set(name, parseEntry(json));
    }
  });
  if (!json.atEnd()) json.fail("text follows the header");
  return { entries, metadata: metadata ?? new Map() };
}

function parseMetadata(json: Scanner): Map<string, string> {
  const metadata = new Map<string, string>();
  json.object((key) => {
    if (metadata.has(key)) json.fail("a key of __metadata__ appears twice");
    metadata.set(key, json.string());
  });
  return metadata;
}

function parseEntry(json: Scanner): Entry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.object((key) => {
    if (key === "dtype" && dtype === undefined) dtype = json.string();
    else if (key === "shape" && !shape) shape = json.integers();
    else if (key === "data_offsets" && !offsets) offsets = json.integers();
    else json.fail("a tensor has dtype, shape and data_offsets, each once");
  });
  if (dtype === undefined || !shape || !offsets) return json.fail("a tensor lacks dtype, shape or data_offsets");
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length > 2) return json.fail("data_offsets are two numbers");
  if (end < begin) json.fail("a tensor ends before it begins");
  return { dtype, shape, begin, end };
}

/** Reads JSON of a known form from left to right. Nothing here recurses, so no depth of brackets can hurt. */
class Scanner {
  at = 0;

  constructor(
    private readonly text: string,
    private readonly refuse: Refuse,
  ) {}

  fail(why: string): never {
    return this.refuse(`its header is wrong at character ${this.at}: ${why}`);
  }

  /** `{"key": <what member reads>, ...}` */
  object(member: (key: string) => void): void {
    this.expect("{");
    if (this.accept("}")) return;
    do {
      const key = this.string();
      this.expect(":");
      member(key);
    } while (this.accept(","));
    this.expect("}");
  }

  /** `[1, 2, ...]`, non-negative integers below 2^53. */
  integers(): number[] {
    const values: number[] = [];
    this.expect("[");
    if (this.accept("]")) return values;
    do values.push(this.integer());
    while (this.accept(","));
    this.expect("]");
    return values;
  }

  atEnd(): boolean {
    this.space();
    return this.at === this.text.length;
  }

  string(): string {
    this.space();
    const [literal] = this.match(/"[^"\\]*(?:\\.[^"\\]*)*"/y) ?? this.fail("a text in quotes is expected");
    try {
      return JSON.parse(literal) as string;
    } catch {
      return this.fail("a text has a bad escape or a control character");
    }
  }

  private integer(): number {
    this.space();
    const [digits] = this.match(/0|[1-9]\d*/y) ?? this.fail("a non-negative integer is expected");
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) this.fail(`${digits.slice(0, 30)} is larger than 2^53`);
    return value;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  private accept(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private expect(character: string): void {
    if (!this.accept(character)) this.fail(`${character} is expected`);
  }

  private space(): void {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at++;
  }
}
