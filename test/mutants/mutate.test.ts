import { expect, test } from "vitest";
import { mutantsOf, mutate } from "./mutate.js";

/** The changed lines of every mutant. */
const lines = (text: string) => mutantsOf("f.wgsl", text).map((m) => mutate(text, m).split("\n")[m.line - 1]!.trim());
const inMain = (statement: string) => lines(`fn main() {\n  ${statement}\n}`);

test("operators, comparisons and signs change one at a time", () => {
  expect(inMain("y = a * b - c;")).toEqual(["y = a / b - c;", "y = a * b + c;"]);
  expect(inMain("y = -a;")).toEqual(["y = a;"]);
  expect(inMain("if (i >= n) { return; }")).toEqual(["if (i > n) { return; }"]);
  expect(inMain("s += f(-x) % m;")).toEqual(["s -= f(-x) % m;", "s += f(x) % m;", "s += f(-x) / m;"]);
  expect(inMain("ok = a && b || c;")).toEqual(["ok = a || b || c;", "ok = a && b && c;"]);
});

test("min, max and the arguments of select trade places", () => {
  expect(inMain("y = min(a, max(b, c));")).toEqual(["y = max(a, max(b, c));", "y = min(a, min(b, c));"]);
  expect(inMain("y = select(f(a, b), c, d);")).toEqual(["y = select(c, f(a, b), d);"]);
});

test("numbers: n to n + 1, zero to one, a tenth more; the suffix stays", () => {
  expect(inMain("y = 3u;")).toEqual(["y = 4u;"]);
  expect(inMain("y = 0i;")).toEqual(["y = 1i;"]);
  expect(inMain("y = 0.0;")).toEqual(["y = 1.0;"]);
  expect(inMain("y = 0.5f;")).toEqual(["y = 0.55f;"]);
  expect(inMain("y = 10.0;")).toEqual(["y = 11.0;"]);
  expect(inMain("y = 0x10u;")).toEqual(["y = 17u;"]);
});

test("types, attributes, signatures, structs, bindings and comments stay", () => {
  const text = `// a - b
enable subgroups;
alias T = vec4<f32>;
struct Params { n: u32, @size(16) m: u32 }
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>, 4>;
var<workgroup> tile: array<f32, 64 * 2>;
/* 1 + 2 */
@compute @workgroup_size(64, 1)
fn main(@location(0) p: vec2<u32>) -> vec2<bool> {
  var c: array<vec4<u32>, 4>;   // 1 + 1
  return vec2<bool>(bitcast<vec2<i32>>(p) < q);
}`;
  expect(lines(text)).toEqual(["return vec2<bool>(bitcast<vec2<i32>>(p) <= q);   "].map((l) => l.trim()));
});

test("of an unrolled loop's head only the bound changes", () => {
  expect(lines("fn f() {\n  // @unroll\n  for (var i = 0u; i < N / 4u; i++) { s += x; }\n}")).toEqual([
    "for (var i = 0u; i < N * 4u; i++) { s += x; }",
    "for (var i = 0u; i < N / 5u; i++) { s += x; }",
    "for (var i = 0u; i < N / 4u; i++) { s -= x; }",
  ]);
});

test("a smaller workgroup, because a larger one changes nothing", () => {
  expect(lines("const WORKGROUP: u32 = 16u;")).toEqual(["const WORKGROUP: u32 = 15u;"]);
});

test("where every lane holds the sum, any may store it; elsewhere lane 0 is a choice to be tested", () => {
  const store = "fn main() {\n  if (lane == 0u) { y[row] = s; }\n}";
  expect(lines(`// @import common/reduce.wgsl\n${store}`)).toEqual([]);
  expect(lines(`// @import common/row.wgsl\n${store}`)).toEqual([
    "if (lane != 0u) { y[row] = s; }",
    "if (lane == 1u) { y[row] = s; }",
  ]);
});

test("a mutant in a module-scope constant names it; ids hold when lines move, and are unique", () => {
  const text = "const A: u32 = 4u;\nfn f() {\n  a = a + 1u;\n  a = a + 1u;\n}";
  const found = mutantsOf("f.wgsl", text);
  expect(found.map((m) => m.constant)).toEqual(["A", undefined, undefined, undefined, undefined]);
  expect(new Set(found.map((m) => m.id)).size).toBe(5);
  expect(mutantsOf("f.wgsl", `// one line more\n${text}`).map((m) => m.id)).toEqual(found.map((m) => m.id));
});
