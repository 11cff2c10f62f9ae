import { describe, expect, test } from "vitest";
import { unpickle } from "../../engine/io/pickle.js";
import type { PickledArray } from "../../engine/io/pickle-arrays.js";
import { plainCalls } from "../../engine/io/pickle-calls.js";
import { Bytes, Dict, Global, PickledSet, Tuple, type Value } from "../../engine/io/pickle-values.js";
import { bytesSource } from "../../engine/io/source.js";
import { stopwatch } from "./golden-files.js";

/** Texts are Latin-1, numbers single bytes. */
const bytes = (...parts: (string | number)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part, "latin1"))));
const read = (...parts: (string | number)[]): Value =>
  unpickle(bytesSource("x.pkl", bytes(...parts)), { callables: plainCalls, way: "pickle" }).value;
const plain = (value: Value): unknown => {
  if (value instanceof Bytes) return Buffer.from(value.view).toString("latin1");
  if (value instanceof Tuple) return value.items.map(plain);
  if (value instanceof PickledSet) return new Set(value.items.map(plain));
  if (value instanceof Dict) return new Map([...value.entries].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
};

describe("numbers", () => {
  test.each<[string, (string | number)[], unknown]>([
    ["I in text", ["I-17\n."], -17],
    ["protocol 0's True", ["I01\n."], true],
    ["protocol 0's False", ["I00\n."], false],
    ["L in text", ["L12345678901234567890L\n."], 12345678901234567890n],
    ["BININT is signed", ["J\xff\xff\xff\xff."], -1],
    ["BININT1", ["K\xff."], 255],
    ["BININT2", ["M\x01\x02."], 513],
    ["LONG1 of no bytes is 0", [0x8a, "\0."], 0],
    ["LONG1 is two's complement", [0x8a, "\x01\x80."], -128],
    ["LONG1 of 2^64", [0x8a, "\x09\0\0\0\0\0\0\0\0\x01."], 2n ** 64n],
    ["LONG4", [0x8b, "\x02\0\0\0\x01\x02."], 513],
    ["F in text", ["F-1.5e+300\n."], -1.5e300],
    ["F of infinity", ["F-inf\n."], Number.NEGATIVE_INFINITY],
    ["F of nan", ["Fnan\n."], Number.NaN],
    ["BINFLOAT is big-endian", ["G\xbf\xf8\0\0\0\0\0\0."], -1.5],
    ["None", ["N."], null],
    ["None from the memo", ["Nq\0h\0\x86", "."], [null, null]],
  ])("%s", (_, parts, want) => expect(plain(read(...parts))).toEqual(want));

  test.each([
    ["letters", ["Iabc\n."], '"abc" is no number'],
    ["blanks", ["I 1\n."], "is no number"],
    ["a float without digits", ["F.\n."], "is no number"],
    ["an integer of megabytes", [0x8b, "\x10\x27\0\0", "\0".repeat(10_000), "."], "takes 10000 bytes, more than 1000"],
    ["a line that does not end", ["I12"], "a line does not end, at byte 0 (INT)"],
  ])("why: %s", (_, parts, message) => expect(() => read(...parts)).toThrow(message));
});

describe("texts", () => {
  test.each<[string, (string | number)[], string]>([
    ["Python 2's repr", ["S'a\\x00\\n\\t\\\\\\'\\101'\n."], "a\0\n\t\\'A"],
    ["in double quotes", ['S"it\'s"\n.'], "it's"],
    ["SHORT_BINSTRING", ["U\x02\xff\x00."], "\xff\0"],
    ["BINSTRING", ["T\x02\0\0\0ab."], "ab"],
    ["BINBYTES8", [0x8e, "\x01\0\0\0\0\0\0\0z."], "z"],
    ["a bytearray, made read-only", [0x96, "\x01\0\0\0\0\0\0\0z", 0x98, "."], "z"],
    ["UNICODE", ["Va\\u00e9\\U0001f600\xe9\n."], "a\u00e9\u{1f600}\u00e9"],
    ["BINUNICODE", ["X\x02\0\0\0\xc3\xa9."], "é"],
    ["a longer text than one window", ["B\0\0\x30\0", "x".repeat(0x300000), "."], "x".repeat(0x300000)],
    ["a longer line than one window", ["S'", "y".repeat(0x300000), "'\n."], "y".repeat(0x300000)],
    [
      "bytes as Python 3 writes them at protocol 2",
      ["c_codecs\nencode\nX\x03\0\0\0a\xc3\xa9X\x06\0\0\0latin1\x86R."],
      "a\xe9",
    ],
  ])("%s", (_, parts, want) => expect(plain(read(...parts))).toBe(want));

  test.each([
    ["no quotes", ["Sabc\n."], "no quotes"],
    ["one quote", ["S'\n."], "no quotes"],
    ["an escaped closing quote", ["S'a\\'\n."], "broken escape"],
    ["half an escape", ["S'\\x4'\n."], "broken escape"],
    ["a character past the last", ["V\\U00110000\n."], "broken escape"],
    ["no UTF-8", ["X\x01\0\0\0\xff."], "is not UTF-8"],
    [
      "a length past the end",
      ["B\xff\xff\xff\x7fab."],
      "2147483647 bytes are needed, but 3 follow, at byte 0 (BINBYTES)",
    ],
    ["a negative length", ["T\xff\xff\xff\xff."], "a length is -1"],
  ])("why: %s", (_, parts, message) => expect(() => read(...parts)).toThrow(message));
});

describe("containers", () => {
  test.each<[string, (string | number)[], unknown]>([
    ["a list, twice appended", ["]K\x01a(K\x02K\x03e."], [1, 2, 3]],
    ["LIST and TUPLE of protocol 0", ["((lp0\nI1\naI2\nt."], [[1], 2]],
    ["DICT of protocol 0", ["(S'a'\nI1\nd."], new Map([["a", 1]])],
    ["Python 2's keys are texts", ["}U\x01kK\x01s."], new Map([["k", 1]])],
    ["keys that JavaScript objects would lose", ["}X\x09\0\0\0__proto__K\x01s."], new Map([["__proto__", 1]])],
    ["the last value of a key wins", ["}(K\x01K\x02K\x01K\x03u."], new Map([[1, 3]])],
    [
      "an OrderedDict of pairs, as Python 2 writes it",
      ["ccollections\nOrderedDict\n]](U\x01aK\x01ea\x85R."],
      new Map([["a", 1]]),
    ],
    ["a set by a call", ["c__builtin__\nset\n](K\x01K\x02e\x85R."], new Set([1, 2])],
    ["a set by opcodes", [0x8f, "(K\x01", 0x90, "."], new Set([1])],
    ["POP of a value and of a mark, POP_MARK, DUP", ["K\x01K\x020(0(K\x09", "1", "2\x86."], [1, 1]],
    ["a memo with a gap", ["K\x05r\xff\xff\xff\x7f0j\xff\xff\xff\x7f."], 5],
  ])("%s", (_, parts, want) => expect(plain(read(...parts))).toEqual(want));

  test.each([
    ["a list is no key", ["}]K\x01s."], "a list of 0 is used as a key"],
    ["an odd number of items", ["}(K\x01u."], "odd number of values"],
    ["an append to a number", ["K\x01K\x02a."], "it appends to a number, at byte 4 (APPEND)"],
    ["items of a list", ["]K\x01K\x02s."], "it sets items of a list of 0"],
    ["a value below the mark", ["K\x01(\x85."], "empty stack"],
    ["no mark", ["t."], "no mark to go back to"],
    ["marks without end", ["(".repeat(2000)], "more than 1000 containers"],
    ["an entry that was never stored", ["h\x07."], "memo entry 7 was never stored"],
    ["no STOP", ["K\x01"], "it ends before its STOP, at byte 2 (end)"],
    ["no opcode", [0xfe], "there is no such opcode, at byte 0 (0xfe)"],
    ["a later protocol", [0x80, "\x06."], "pickle protocol 6"],
    ["a frame past the end", [0x95, "\xff\0\0\0\0\0\0\0."], "a frame of 255 bytes begins, but 1 follow"],
    ["values that are left over", ["K\x01K\x02."], "it ends with 1 values too many"],
  ])("why: %s", (_, parts, message) => expect(() => read(...parts)).toThrow(message));
});

describe("names and calls", () => {
  test("why: a class that is only named stays a name, under the name it has in Python 3", () => {
    expect(read("cos\nsystem\n.")).toEqual(new Global("os.system"));
    expect(read("c__builtin__\nset\n.")).toEqual(new Global("builtins.set"));
    expect(read("X\x0b\0\0\0numpy._coreX\x01\0\0\0x", 0x93, ".")).toEqual(new Global("numpy._core.x"));
    expect(read("cnumpy._core.multiarray\n_reconstruct\n.")).toEqual(new Global("numpy.core.multiarray._reconstruct"));
  });

  const named = "cx.y\nKlass\n";
  test.each([
    ["called", [named, ")R."], 'it calls "x.y.Klass", which is not on the list'],
    ["filled", [named, "K\x01a."], 'it appends to the class "x.y.Klass"'],
    ["indexed", [named, "K\x01K\x01s."], 'it sets items of the class "x.y.Klass"'],
    ["built", [named, "}b."], 'it sets the state of the class "x.y.Klass"'],
    ["made by NEWOBJ", [named, ")", 0x81, "."], "makes objects of any class"],
    ["made by INST", ["(ix.y\nKlass\n."], "makes objects of any class"],
    ["made by OBJ", ["(", named, "o."], "makes objects of any class"],
    ["an extension code", [0x82, "\x01."], "makes objects of any class"],
    ["a buffer from outside", [0x97, "."], "data from outside the file"],
    ["a reference to outside", ["Pstorage\n."], "refers to data outside"],
    ["a path below an allowed name", ["ccollections\nOrderedDict.__init__\n."], "is no module and name"],
    ["a number that is called", ["K\x01)R."], "it calls a number, which is no function"],
    ["a codec that does more", ["c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R."], "other arguments"],
    ["2 GB of nothing", ["c__builtin__\nbytes\nJ\0\0\0\x7f\x85R."], "builtins.bytes is called with other arguments"],
    ["the state of a plain dict", ["}}b."], "it sets the state of a dict"],
  ])("why: %s", (_, parts, message) => expect(() => read(...parts)).toThrow(message));

  test("why: torch hangs attributes on a state dict, which are passed over", () => {
    const value = read("ccollections\nOrderedDict\n)R}X\x09\0\0\0_metadataNsb.");
    expect((value as Dict).entries.size).toBe(0);
  });
});

describe("memory", () => {
  test.each([
    [
      "a text copied again and again",
      [
        "X\0\x00\x10\0",
        "a".repeat(0x100000),
        "q\0",
        "c_codecs\nencode\nq\x01",
        "h\x01h\0X\x06\0\0\0latin1\x86R0".repeat(60),
      ],
    ],
    [
      "a long list copied into sets",
      ["]q\0(", "N".repeat(300_000), "e0c__builtin__\nset\nq\x01", "h\x01h\0\x85R".repeat(60)],
    ],
    ["dicts of one entry", ["K\x01q\0", "}h\0h\0s".repeat(200_000)]],
    ["empty lists", ["]".repeat(3_000_000)]],
  ])("why: %s end at a multiple of the file", (_, parts) => {
    const elapsed = stopwatch();
    expect(() => read(...parts, ".")).toThrow(/would take more than \d+ bytes, out of all proportion to the file/);
    expect(elapsed()).toBeLessThan(1000);
  });
});

describe("NumPy", () => {
  const reconstruct = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR";
  const dtype = (code: string, order: string) =>
    `cnumpy\ndtype\n(U${String.fromCharCode(code.length)}${code}K\0K\x01tR(K\x03U\x01${order}NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb`;
  const array = (shape: string, type: string, fortran: string, raw: string) =>
    `${reconstruct}(K\x01(${shape}t${type}${fortran}U${String.fromCharCode(raw.length)}${raw}tb.`;
  const tensor = (value: Value) =>
    (value as PickledArray).tensor((why) => {
      throw new Error(why);
    });

  test("why: byte order and Fortran order are as they say", () => {
    const big = tensor(read(array("K\x02", dtype("i2", ">"), "\x89", "\x01\x02\x03\x04")));
    expect([...big.data]).toEqual([0x102, 0x304]);
    const fortran = tensor(read(array("K\x02K\x02", dtype("u1", "|"), "\x88", "\x01\x02\x03\x04")));
    expect([...fortran.data]).toEqual([1, 3, 2, 4]);
  });

  test.each([
    [
      "too few bytes",
      array("K\x03", dtype("u1", "|"), "\x89", "ab"),
      "an array of shape (3), u1, needs 3 bytes, but has 2",
    ],
    ["a negative size", array("J\xff\xff\xff\xff", dtype("u1", "|"), "\x89", "ab"), "is no tuple of sizes"],
    ["a size of 2^60", array("\x8a\x08\0\0\0\0\0\0\0\x10", dtype("u1", "|"), "\x89", "ab"), "is no tuple of sizes"],
    ["an unknown type", array("K\x01", dtype("c8", "<"), "\x89", "ab"), 'an array has dtype "c8"'],
    ["fields", "cnumpy\ndtype\n(U\x02V8K\0K\x01tR.", 'an array has dtype "V8"'],
    ["a structured state", `cnumpy\ndtype\n(U\x02f4K\0K\x01tR(K\x03U\x01<N(X\x01\0\0\0at}K\0K\0K\0tb.`, "structured"],
    ["no state", `${reconstruct}Nb.`, "is no tuple of sizes"],
  ])("why: %s", (_, text, message) => expect(() => read(text)).toThrow(message));

  test("why: a scalar is the number itself", () => {
    const scalar = (code: string, raw: string) =>
      read(`cnumpy.core.multiarray\nscalar\n${dtype(code, "<")}U${String.fromCharCode(raw.length)}${raw}\x86R.`);
    expect(scalar("b1", "\x01")).toBe(true);
    expect(scalar("f8", "\0\0\0\0\0\0\xf8\x3f")).toBe(1.5);
    expect(scalar("i8", "\x07\0\0\0\0\0\0\0")).toBe(7n);
    expect(() => scalar("f8", "\0\0")).toThrow("needs 8 bytes, but has 2");
  });
});
