import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { Kernel, kernel } from "../../engine/shader.js";
import { empty, tensor, zeros } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

/** y[i] = <expression>, with what the test adds. */
const source = (expression: string, { params = "n: u32", head = "" } = {}) => `// a kernel of this test
${head}
const SCALE: f32 = 2.0;
const ODD: bool = false;
alias T = f32;
struct Params { ${params} }
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform>             params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= params.n) { return; }
  y[i] = ${expression};
}
`;

const once = { workgroups: 1 };
const values = async (k: Kernel, params: Record<string, number | number[]>, constants = {}) => {
  const y = empty([4]);
  k.run({ y }, { n: 4, ...params }, { ...once, constants });
  return [...(await y.read())];
};

describe("a compiler error stands at the line of the checked-in file", () => {
  /** An error is sticky: each test has a device of its own. */
  async function messageOf(k: Kernel, constants = {}): Promise<string> {
    const own = await openDevice();
    try {
      const y = empty([4]);
      k.run({ y }, { n: 4 }, { ...once, constants });
      await y.read();
      return "no error";
    } catch (error) {
      return (error as Error).message;
    } finally {
      own.close();
      dev = await openDevice();
    }
  }

  test("in a plain line, with a caret below the word", async () => {
    const message = await messageOf(new Kernel("broken", source("unheard_of(i)")));
    const [first, line, caret] = message.split("\n");
    expect(first).toMatch(/^shaders\/broken\.wgsl:13:10: .*unheard_of/);
    expect(line).toBe("   13 |   y[i] = unheard_of(i);");
    expect(caret).toBe(`${" ".repeat(6)}| ${" ".repeat(9)}^`);
  });

  test("behind an unrolled loop, whose copies move all lines", async () => {
    const loop =
      "fn f() -> f32 {\n  var s = 0.0;\n  // @unroll\n  for (var k = 0u; k < 8u; k++) {\n    let t = f32(k);\n    s += t;\n  }\n  return s;\n}";
    const text = source("f() + nothing", { head: loop });
    const line = text.split("\n").findIndex((l) => l.includes("nothing")) + 1;
    expect(await messageOf(new Kernel("broken", text))).toContain(`shaders/broken.wgsl:${line}:`);
  });

  test("in an imported file, by its own name", async () => {
    const head = "// @import common/reduce.wgsl\nalias WORKGROUP_MISSING = f32;"; // reduce needs a constant WORKGROUP
    expect(await messageOf(new Kernel("broken", source("1.0", { head })))).toMatch(
      /common\/reduce\.wgsl:\d+:\d+: .*WORKGROUP/,
    );
  });
});

describe("constants", () => {
  test("take the place of the file's values; each set has a pipeline of its own", async () => {
    const k = new Kernel("constants", source("select(SCALE, -SCALE, ODD) + T(i)"));
    expect(await values(k, {})).toEqual([2, 3, 4, 5]);
    expect(await values(k, {}, { SCALE: 0.5 })).toEqual([0.5, 1.5, 2.5, 3.5]);
    expect(await values(k, {}, { SCALE: 0.5, ODD: true })).toEqual([-0.5, 0.5, 1.5, 2.5]);
    expect(await values(k, {})).toEqual([2, 3, 4, 5]);
  });

  test("with an unknown name are refused with the names there are", () => {
    const k = new Kernel("constants", source("SCALE"));
    expect(() => k.run({ y: zeros([4]) }, { n: 4 }, { ...once, constants: { SCALES: 1 } })).toThrow(
      "shaders/constants.wgsl:1: no constant or alias SCALES; there are: SCALE, ODD, T.",
    );
  });

  test("of another type are refused at their line", () => {
    const k = new Kernel("constants", source("SCALE"));
    expect(() => k.run({ y: zeros([4]) }, { n: 4 }, { ...once, constants: { ODD: 1 } })).toThrow(
      "shaders/constants.wgsl:4: ODD (bool) cannot become 1.",
    );
  });
});

describe("params", () => {
  test("of vector types lie where WGSL puts them", async () => {
    const params = "n: u32, a: vec2u, b: vec3f, c: i32, d: vec4<f32>, e: f32";
    const k = new Kernel(
      "vectors",
      source("f32(params.a.y) + 10.0 * params.b[i % 3u] + f32(params.c) + params.d[i] + params.e", { params }),
    );
    const got = await values(k, { a: [7, 5], b: [1, 2, 3], c: -4, d: [0.5, 0.25, 0.125, 0.0625], e: 100 });
    expect(got).toEqual([111.5, 121.25, 131.125, 111.0625]);
  });

  test("of another type are refused", () => {
    const k = new Kernel("matrix", source("params.m[0].x", { params: "n: u32, m: mat2x2f" }));
    expect(() => k.run({ y: zeros([4]) }, { n: 4, m: 0 }, once)).toThrow(/Params\.m: the type .* is not supported/);
  });

  test("and bindings with wrong names are refused with the right ones", () => {
    const k = new Kernel("names", source("1.0"));
    expect(() => k.run({ x: zeros([4]) }, { n: 4 }, once)).toThrow(
      /shaders\/names\.wgsl: the bindings do not fit\.\n {2}missing {2}y\n {2}unknown {2}x\nThe file has y\./,
    );
    expect(() => k.run({ y: zeros([4]) }, { m: 4 }, once)).toThrow(
      /the params do not fit\.\n {2}missing {2}n\n {2}unknown {2}m/,
    );
  });
});

describe("grids", () => {
  test("a kernel that reads the grid's width is folded, with nothing lost; any other is not", async () => {
    const n = 64 * 10;
    const x = tensor(Float32Array.from({ length: 4 * n }, (_, i) => i));
    const y = empty([4 * n]);
    dev.foldAfter = 3;
    kernel("add").run({ a: x, b: x, y }, { n: 4 * n }, { workgroups: 10, constants: { VECS: 1 } });
    const z = zeros([n]);
    new Kernel("straight", source("f32(i)")).run({ y: z }, { n }, { workgroups: 10 });
    dev.foldAfter = dev.limits.maxComputeWorkgroupsPerDimension;
    expect([...(await y.read())]).toEqual(Array.from({ length: 4 * n }, (_, i) => 2 * i));
    expect((await z.read())[n - 1]).toBe(n - 1);
  });

  test("past the limit where a kernel cannot fold, the numbers are named", () => {
    const k = new Kernel("straight", source("1.0"));
    expect(() => k.run({ y: zeros([4]) }, { n: 4 }, { workgroups: 70_000 })).toThrow(
      /straight: the grid \(70000, 1, 1\) is past this adapter's 65535/,
    );
  });

  test("of nothing runs nothing", () => {
    const before = dev.queue.dispatches;
    kernel("add").run({ a: zeros([0]), b: zeros([0]), y: zeros([0]) }, { n: 0 }, { workgroups: 0 });
    expect(dev.queue.dispatches).toBe(before);
  });
});

test("a kernel that was told to forget compiles its text anew", async () => {
  const k = new Kernel("again", source("1.0"));
  expect(await values(k, {})).toEqual([1, 1, 1, 1]);
  k.forget();
  expect(await values(k, {})).toEqual([1, 1, 1, 1]);
});
