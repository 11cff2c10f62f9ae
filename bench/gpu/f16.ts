// 2. The f16 functions that kernels may use, at every finite f16 number, against float64.
//
// Bounds are those of the WGSL specification ("Accuracy of expressions"), in units in the last place (ulp) of f16 or as an absolute
// error. Numbers below 2^-14 may be flushed to zero, and a result past 65,504 may be anything: neither is judged.

import { kernel } from "../../engine/shader.js";
import { emptyLike, tensor } from "../../engine/tensor.js";
import { values } from "../case.js";
import type { Stage } from "./stage.js";

/** Dawn holds f16 back on NVIDIA because of failing conformance tests; this stage is what says whether that matters here. */
export const F16_TOGGLES = ["vulkan_enable_f16_on_nvidia"];

/** A function and its bound. */
interface Op {
  name: string;
  want: (x: number, z: number) => number;
  /** Error allowed at x, given one ulp of the exact result. */
  allowed: (ulp: number, x: number, want: number) => number;
  /** Where the specification bounds the error at all. */
  domain?: (x: number, z: number) => boolean;
}

// Bounds that several functions share.
const ulps = (n: number) => (ulp: number) => n * ulp;
const rounded = ulps(1); // "correctly rounded": either neighbour
const exact = () => 0;
const nearOne = (x: number) => x >= 0.5 && x <= 2;
const logBound: Op["allowed"] = (ulp, x) => (nearOne(x) ? 2 ** -7 : 3 * ulp);
const waves = { allowed: () => 2 ** -7, domain: (x: number) => Math.abs(x) <= Math.PI };
const positive = { domain: (x: number) => x > 0 };

/** In the order of OP in bench_f16.wgsl. */
const ops: readonly Op[] = [
  { name: "load and store", want: (x) => x, allowed: exact },
  { name: "x + z", want: (x, z) => x + z, allowed: rounded },
  { name: "x * z", want: (x, z) => x * z, allowed: rounded },
  { name: "x / z", want: (x, z) => x / z, allowed: ulps(2.5), domain: (_, z) => Math.abs(z) >= MIN_NORMAL },
  {
    name: "fma(x, z, x)",
    want: (x, z) => x * z + x,
    allowed: (ulp, x, y) => ulp + ulpOf(Math.abs(y) + Math.abs(x)), // inherited from x * z + x: two roundings
    domain: (x, z) => Math.abs(x * z) <= LARGEST,
  },
  { name: "f16(f32(x) * f32(z))", want: (x, z) => x * z, allowed: rounded },
  { name: "exp", want: Math.exp, allowed: (ulp, x) => (1 + 2 * Math.abs(x)) * ulp },
  { name: "exp2", want: (x) => 2 ** x, allowed: (ulp, x) => (1 + 2 * Math.abs(x)) * ulp },
  { name: "log", want: Math.log, allowed: logBound, ...positive },
  { name: "log2", want: Math.log2, allowed: logBound, ...positive },
  { name: "sqrt", want: Math.sqrt, allowed: ulps(4.5), ...positive }, // 1 / inverseSqrt
  { name: "inverseSqrt", want: (x) => 1 / Math.sqrt(x), allowed: ulps(2), ...positive },
  { name: "sin", want: Math.sin, ...waves },
  { name: "cos", want: Math.cos, ...waves },
  { name: "max", want: Math.max, allowed: exact },
  { name: "min", want: Math.min, allowed: exact },
  { name: "abs", want: Math.abs, allowed: exact },
  { name: "floor", want: Math.floor, allowed: exact },
  { name: "select", want: (x, z) => (x < z ? z : x), allowed: exact },
];

/** The smallest number that must not be flushed, and the largest there is. */
const MIN_NORMAL = 2 ** -14;
const LARGEST = 65_504;

export const f16Stage: Stage = {
  name: "f16",
  title: "f16 against float64",
  seconds: 30,
  async run(context) {
    const dev = await context.open({ toggles: F16_TOGGLES });
    if (!dev.gpu.features.has("shader-f16")) {
      context.skip("This adapter has no shader-f16.");
      return;
    }
    const [x, z] = operands();
    const packed = [x, z].map((halves) => tensor(new Uint32Array(halves.buffer), [halves.length / 2], "u32"));
    const rows = [];
    for (const [i, op] of ops.entries()) {
      const y = emptyLike(packed[0]!);
      const launch = { workgroups: Math.ceil(y.size / 64), constants: { OP: i } };
      kernel("bench_f16").run({ x: packed[0]!, z: packed[1]!, y }, { n: y.size }, launch);
      rows.push(judge(op, x, z, new Uint16Array((await y.read()).buffer)));
      y.dispose();
    }
    context.table({
      title: "Every finite f16 number",
      note: "Error over the bound of the WGSL specification: above 1 breaks it. A kernel that uses such a function in f16 must not be trusted here.",
      columns: [
        { key: "name", title: "function" },
        { key: "verdict", title: "" },
        { key: "worst", title: "error / bound", digits: 2 },
        { key: "ulps", title: "error, ulp", digits: 2 },
        { key: "at", title: "at x" },
        { key: "other", title: "z" },
        { key: "got", title: "got" },
        { key: "want", title: "want" },
        { key: "judged", title: "numbers judged" },
      ],
      rows,
    });
    const broken = rows.filter((r) => r.verdict !== "ok").map((r) => r.name);
    context.note(broken.length ? `Outside their bounds: ${broken.join(", ")}.` : "All within their bounds.");
  },
};

/** x: every finite half; z: a half of ordinary size beside each. */
function operands(): [Uint16Array<ArrayBuffer>, Uint16Array<ArrayBuffer>] {
  const all = Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00);
  const other = values(all.length, 5); // +-0.5, as halves: sign, exponents 2^-8 .. 2^7, any mantissa
  return [
    Uint16Array.from(all),
    Uint16Array.from(other, (v) => {
      const bits = Math.floor((Math.abs(v) * 2 ** 21) % 2 ** 14);
      return (v < 0 ? 0x8000 : 0) + (7 << 10) + bits;
    }),
  ];
}

/** The number that 16 bits are. */
export function half(bits: number): number {
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : bits >> 15 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return bits >> 15 ? -size : size;
}

/** The distance between halves beside y. */
const ulpOf = (y: number): number => 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(y) || MIN_NORMAL))) - 10);

/** Where a function is furthest off; without a place where it never is. */
interface Worst {
  /** Error over its bound. */
  worst: number;
  ulps?: number;
  at?: number;
  other?: number;
  got?: number;
  want?: number;
}

/** The worst place of one function. */
function judge({ name, want, allowed, domain = () => true }: Op, xs: Uint16Array, zs: Uint16Array, ys: Uint16Array) {
  let worst: Worst = { worst: 0 };
  let judged = 0;
  for (let i = 0; i < xs.length; i++) {
    const [x, z, got] = [half(xs[i]!), half(zs[i]!), half(ys[i]!)];
    const y = want(x, z);
    const tiny = (v: number) => Math.abs(v) < MIN_NORMAL;
    if ((tiny(x) && x !== 0) || (tiny(y) && y !== 0) || Math.abs(y) > LARGEST || !domain(x, z)) continue;
    judged++;
    const ulp = ulpOf(y);
    const error = Math.abs(got - y);
    const share = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error === 0 ? 0 : error / allowed(ulp, x, y);
    if (share > worst.worst) worst = { worst: share, ulps: error / ulp, at: x, other: z, got, want: y };
  }
  return { name, verdict: worst.worst <= 1 ? "ok" : "WRONG", judged, ...worst };
}
