import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expand } from "../../engine/expand.js";
import { evaluate } from "../../engine/wgsl-text.js";

/** The lines that are left, without indents, comments and empty ones. */
function lines(text: string, options: Parameters<typeof expand>[1] = {}): string[] {
  const out = expand(text, { file: "k.wgsl", ...options }).text.split("\n");
  return out.map((l) => l.trim()).filter((l) => l && !l.startsWith("//"));
}
const text = (...l: string[]) => l.join("\n");

describe("expand: constants", () => {
  const head = text(
    "const N: u32 = 4u; // four",
    "const S: f32 = 1.0;",
    "const D: i32 = -1;",
    "const B: bool = true;",
    "alias T = f32;",
  );

  it("writes each type as WGSL does and keeps the comment", () => {
    expect(expand(head, { constants: { N: 8, S: 0.5, D: -3, B: false, T: "vec2<f32>" } }).text.split("\n")).toEqual([
      "const N: u32 = 8u; // four",
      "const S: f32 = 0.5f;",
      "const D: i32 = -3i;",
      "const B: bool = false;",
      "alias T = vec2<f32>;",
    ]);
  });
  it("names an unknown constant and those that exist", () => {
    expect(() => lines(head, { constants: { M: 1 } })).toThrow(
      /k\.wgsl:1: no constant or alias M; there are: N, S, D, B, T/,
    );
  });
  it.each([
    ["N", -1],
    ["N", 1.5],
    ["N", true],
    ["B", 1],
    ["S", Number.NaN],
    ["D", "1"],
    ["T", 4],
  ])("refuses %s = %s", (name, value) => {
    expect(() => lines(head, { constants: { [name]: value } })).toThrow(/cannot become/);
  });
  it("leaves constants inside functions alone: only module scope is the host's", () => {
    expect(() => lines(text("fn f() {", "  const N: u32 = 4u;", "}"), { constants: { N: 1 } })).toThrow(/no constant/);
  });
  it("does not replace a name of Object.prototype", () => {
    expect(lines("const constructor: u32 = 2u;")).toEqual(["const constructor: u32 = 2u;"]);
  });
  it("lets a constant depend on a replaced one", () => {
    const got = lines(
      text(
        "const RM: u32 = 8u;",
        "const Q: u32 = (RM + 3u) / 4u;",
        "// @unroll",
        "for (var i = 0u; i < Q; i++) { f(i); }",
      ),
      {
        constants: { RM: 4 },
      },
    );
    expect(got).toEqual(["const RM: u32 = 4u;", "const Q: u32 = (RM + 3u) / 4u;", "f(0u);"]);
  });
});

describe("expand: @unroll", () => {
  it("nests, and the inner bound may use the outer number", () => {
    expect(
      lines(
        text(
          "// @unroll",
          "for (var i = 0u; i < 3u; i++) {",
          "// @unroll",
          "for (var j = 0u; j < i; j++) {",
          "f(i, j);",
          "}",
          "}",
        ),
      ),
    ).toEqual(["f(1u, 0u);", "f(2u, 0u);", "f(2u, 1u);"]);
  });
  it("keeps braces where the body declares something, so that names may repeat", () => {
    expect(lines(text("// @unroll", "for (var i = 0u; i < 2u; i++) { let a = i; }"))).toEqual([
      "{",
      "let a = 0u;",
      "}",
      "{",
      "let a = 1u;",
      "}",
    ]);
  });
  it("replaces the name only: no member, no longer name", () => {
    expect(lines(text("// @unroll", "for (var i = 0u; i < 1u; i++) { p.i = ii + i + i2 + _i; }"))).toEqual([
      "p.i = ii + 0u + i2 + _i;",
    ]);
  });
  it("finds the closing brace behind inner blocks and braces in comments", () => {
    expect(
      lines(text("// @unroll", "for (var i = 0u; i < 1u; i++) {", "if (x) { // }", "f(i); }", "}", "g();")),
    ).toEqual(["if (x) { // }", "f(0u); }", "g();"]);
  });
  it("writes nothing for zero turns", () => {
    expect(lines(text("const N: u32 = 3u;", "// @unroll", "for (var i = 0u; i < N / 4u; i++) { f(i); }"))).toEqual([
      "const N: u32 = 3u;",
    ]);
  });
  it.each([
    ["no loop below", text("// @unroll", "let a = 1;"), /k\.wgsl:1: @unroll needs/],
    ["an empty line between", text("// @unroll", "", "for (var i = 0u; i < 2u; i++) { }"), /needs/],
    ["a start other than 0", text("// @unroll", "for (var i = 1u; i < 2u; i++) { }"), /needs/],
    ["another name in the condition", text("// @unroll", "for (var i = 0u; j < 2u; i++) { }"), /needs/],
    [
      "a bound only the GPU knows",
      text("// @unroll", "for (var i = 0u; i < params.n; i++) { }"),
      /k\.wgsl:2: .*params\.n.* not a constant/,
    ],
    ["a bound below zero", text("// @unroll", "for (var i = 0u; i < 1u - 2u; i++) { }"), /not a constant/],
    ["a division by zero", text("// @unroll", "for (var i = 0u; i < 1u / 0u; i++) { }"), /not a constant/],
    ["a loop never closed", text("// @unroll", "for (var i = 0u; i < 2u; i++) {", "f();"), /never closed/],
    [
      "code after the closing brace",
      text("// @unroll", "for (var i = 0u; i < 2u; i++) { f(); } g();"),
      /nothing may follow/,
    ],
    ["the end of the file", "// @unroll", /needs/],
    [
      "a marker misspelt",
      text("// @unrol", "for (var i = 0u; i < 2u; i++) { f(); }"),
      /k\.wgsl:1: unknown marker @unrol/,
    ],
  ])("refuses %s", (_why, source, message) => {
    expect(() => lines(source)).toThrow(message);
  });
});

describe("expand: @registers", () => {
  const declare = text("const RM: u32 = 4u;", "fn f() {", "  // @registers", "  var c: array<vec4f, RM * 2u>;");

  it("declares each and rewrites constant indices, nested ones too", () => {
    const got = lines(
      text(
        declare,
        "  // @unroll",
        "  for (var g = 0u; g < RM / 2u; g++) { c[g * 4u + 1u] = c[4u * g][1] + v.c + cc[0]; }",
        "}",
      ),
    );
    expect(got.slice(2, 10)).toEqual(Array.from({ length: 8 }, (_, i) => `var c_${i}: vec4f;`));
    expect(got.slice(10)).toEqual(["c_1 = c_0[1] + v.c + cc[0];", "c_5 = c_4[1] + v.c + cc[0];", "}"]);
  });
  it("ends with its block, and an inner name hides an outer one", () => {
    const got = lines(
      text(
        "fn f() {",
        "// @registers",
        "var c: array<f32, 1>;",
        "if (a) {",
        "// @registers",
        "var c: array<f32, 2>;",
        "c[1] = 0;",
        "} else {",
        "c[0] = 1;",
        "}",
        "}",
        "fn g() { var c = d; c[i] = 0; }",
      ),
    );
    expect(got.slice(-6)).toEqual(["c_1 = 0;", "} else {", "c_0 = 1;", "}", "}", "fn g() { var c = d; c[i] = 0; }"]);
  });
  it("ignores its name in comments", () => {
    expect(lines(text(declare, "  f(c[0]);   // c is c[i]", "}")).at(-2)).toBe("f(c_0);   // c is c[i]");
  });
  it.each([
    ["an index only the GPU knows", "c[k] = 0;", /k\.wgsl:5: c is @registers: its index `k` is not a constant/],
    ["an index past the end", "c[RM * 2u] = 0;", /its index `RM \* 2u` is 8: there are 8/],
    ["a negative index", "c[1u - 2u] = 0;", /not a constant/],
    ["use as a whole", "g(&c);", /use it as c\[constant\]/],
    ["an index broken over lines", text("c[", "0u] = 0;"), /on one line/],
    ["a loop without @unroll", "for (var i = 0u; i < 4u; i++) { c[i] = 0; }", /Is an @unroll missing/],
  ])("refuses %s", (_why, use, message) => {
    expect(() => lines(text(declare, use, "}"))).toThrow(message);
  });
  it.each([
    ["an initial value", "var c: array<f32, 2> = array(1, 2);"],
    ["let", "let c: array<f32, 2>;"],
    ["no array", "var c: f32;"],
    ["nothing", ""],
  ])("refuses %s below the marker", (_why, source) => {
    expect(() => lines(text("// @registers", source))).toThrow(/k\.wgsl:1: @registers needs/);
  });
  it("names both levels of an array of arrays, and only the outer one where the constant says so", () => {
    const both = (on: boolean) =>
      lines(
        text(
          `const ON: bool = ${on};`,
          "fn f() {",
          "// @registers",
          "// @registers ON",
          "var c: array<array<f32, 2u>, 2u>;",
          "// @unroll ON",
          "for (var i = 0u; i < 2u; i++) { c[1u][i] = 0; }",
          "}",
        ),
      ).filter((line) => /c_|for/.test(line));
    const names = ["0_0", "0_1", "1_0", "1_1"].map((n) => `var c_${n}: f32;`);
    expect(both(true)).toEqual([...names, "c_1_0 = 0;", "c_1_1 = 0;"]);
    expect(both(false)).toEqual([
      "var c_0: array<f32, 2u>;",
      "var c_1: array<f32, 2u>;",
      "for (var i = 0u; i < 2u; i++) { c_1[i] = 0; }",
    ]);
  });
  it("refuses a condition that is no constant", () => {
    expect(() => lines(text("// @registers ON", "var c: array<f32, 2>;"))).toThrow(/there is no constant ON/);
  });
  it("refuses a size that is not known or zero", () => {
    expect(() => lines(text("// @registers", "var c: array<f32, N>;"))).toThrow(/size `N`/);
    expect(() => lines(text("// @registers", "var c: array<f32, 0>;"))).toThrow(/size `0`/);
  });
});

describe("expand: spread", () => {
  const source = text(
    "const SG: u32 = 4u;",
    "a = subgroupShuffle(f(v, 2), (SG + 3u) % SG) + subgroupShuffle(b[1], 0u);",
  );

  it("writes the adapter's broadcast once the lane is a number", () => {
    expect(lines(source, { spread: "quadBroadcast" })[1]).toBe(
      "a = quadBroadcast(f(v, 2), 3u) + quadBroadcast(b[1], 0u);",
    );
    expect(lines(source, { spread: "subgroupBroadcast" })[1]).toBe(
      "a = subgroupBroadcast(f(v, 2), 3u) + subgroupBroadcast(b[1], 0u);",
    );
  });
  it("writes a quad's swaps, and leaves them to other subgroups as they are", () => {
    const swaps = ["1u", "SG - 2u", "3u", "0u"].map((by) => `a = subgroupShuffleXor(w[${by}], ${by}).x;`);
    expect(lines(text("const SG: u32 = 4u;", ...swaps), { spread: "quadBroadcast" }).slice(1)).toEqual([
      "a = quadSwapX(w[1u]).x;",
      "a = quadSwapY(w[SG - 2u]).x;",
      "a = quadSwapDiagonal(w[3u]).x;",
      "a = (w[0u]).x;",
    ]);
    expect(lines(swaps[0]!, { spread: "subgroupBroadcast" })).toEqual([swaps[0]]);
  });
  it("writes one inside another", () => {
    expect(lines("a = subgroupShuffle(subgroupShuffleXor(v, 1u), 2u);", { spread: "quadBroadcast" })).toEqual([
      "a = quadBroadcast(quadSwapX(v), 2u);",
    ]);
  });
  it("leaves a lane that only the GPU knows", () => {
    expect(lines("a = subgroupShuffle(v, lane ^ 1u);", { spread: "quadBroadcast" })).toEqual([
      "a = subgroupShuffle(v, lane ^ 1u);",
    ]);
  });
  it("refuses lane 4 of a quad", () => {
    expect(() => lines("a = subgroupShuffle(v, 4u);", { spread: "quadBroadcast" })).toThrow(/a quad has no lane 4/);
  });
});

describe("expand: imports and origins", () => {
  const files: Record<string, string> = {
    "common/a.wgsl": "// @import common/b.wgsl\nfn a() {}",
    "common/b.wgsl": "const B: u32 = 2u;",
  };
  const read = (path: string) => files[path] ?? "";

  it("inlines each file once and knows where every line comes from", () => {
    const source = text(
      "// @import common/b.wgsl",
      "// @import common/a.wgsl",
      "// @unroll",
      "for (var i = 0u; i < B; i++) {",
      "  f(i);",
      "}",
      "end",
    );
    const out = expand(source, { file: "k.wgsl", read });
    expect(out.text).toBe(text("const B: u32 = 2u;", "fn a() {}", "  f(0u);", "  f(1u);", "end"));
    expect(out.lines.map((l) => `${l.file}:${l.line}`)).toEqual([
      "common/b.wgsl:1",
      "common/a.wgsl:2",
      "k.wgsl:5",
      "k.wgsl:5",
      "k.wgsl:7",
    ]);
  });
  it("refuses an import without a path or a reader", () => {
    expect(() => lines("// @import", { read })).toThrow(/an import is written/);
    expect(() => lines("// @import common/a.wgsl")).toThrow(/no way to read/);
  });
});

it("evaluate takes whole-number expressions and nothing else", () => {
  const known = new Map([["RM", 16]]);
  expect(
    ["RM / 4u", "4u * 3u + 1", "(2u + 3u) * 2u", "7u % 4u", "7 / 2", "10u - 2u - 3u"].map((e) => evaluate(e, known)),
  ).toEqual([4, 13, 10, 3, 3, 5]);
  for (const e of ["", "x", "1.5", "(1", "1)", "1 +", "1 2", "f(1)", "RM.x", "1 << 2", "-1", "4 % 0"])
    expect(evaluate(e, known)).toBeUndefined();
});

it("every checked-in kernel goes through in a few milliseconds", () => {
  for (const name of readdirSync("shaders").filter((f) => f.endsWith(".wgsl"))) {
    const source = readFileSync(`shaders/${name}`, "utf8"),
      read = (path: string) => readFileSync(`shaders/${path}`, "utf8");
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      const out = expand(source, { file: name, spread: "quadBroadcast", read });
      expect(out.lines).toHaveLength(out.text.split("\n").length);
      return performance.now() - start;
    });
    expect(Math.min(...times), name).toBeLessThan(30);
  }
});
