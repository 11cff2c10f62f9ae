// 4. How fast memory streams: a copy and a triad y = a + s b, by the type of an access. And what a copy by the queue, an upload and
// a read back reach.

import type { Device } from "../../engine/device.js";
import { Kernel } from "../../engine/shader.js";
import { shaderSource } from "../../engine/source.js";
import { empty, type Tensor, tensor } from "../../engine/tensor.js";
import type { Case, Group, Pair } from "../case.js";
import { bufferCopy } from "../ceilings.js";
import { measureHost } from "../host.js";
import { measure } from "../measure.js";
import { F16_TOGGLES, half } from "./f16.js";
import { type Context, measuredTable, type Stage } from "./stage.js";

/** An access: what T becomes, its scalar, and its bytes. */
const types = [
  { T: "f32", S: "f32", bytes: 4 },
  { T: "vec4f", S: "f32", bytes: 16 },
  { T: "f16", S: "f16", bytes: 2 },
  { T: "vec4h", S: "f16", bytes: 8 },
] as const;

/** One of them. */
type Access = (typeof types)[number];

/** Values go round after so many: whole numbers that are exact in f16, also as a + s b. */
const CYCLE = 512;
const FACTOR = 2;

export const bandwidthStage: Stage = {
  name: "bandwidth",
  title: "Memory",
  seconds: 40,
  async run(context) {
    const dev = await context.open({ toggles: F16_TOGGLES });
    const rows = await measure(dev, streams(dev, bytesFor(context, dev)), context.rounds);
    context.table(
      measuredTable(
        {
          title: "Kernels, by the type of an access",
          note: "The ceiling is the engine's own elementwise copy of 32 MiB tensors. Compare the best row with the card's data sheet.",
          bars: "rate",
        },
        rows.filter((r) => !r.name.includes("FMA")),
      ),
    );
    context.note(
      `copyBufferToBuffer, by the host's clock: ${(await bufferCopy()).toFixed(1)} GB/s, reads and writes counted.`,
    );
    context.table({
      title: "The host's calls",
      note: "By the host's clock. 64 MiB over PCIe 4 x16 take about 3 ms at best.",
      columns: [
        { key: "name", title: "what" },
        { key: "ms", title: "ms" },
      ],
      rows: (await measureHost(true)).map((r) => ({ ...r })),
    });
  },
};

/** Of a tensor: past the caches of a GPU. */
export function bytesFor({ software }: Context, { limits }: Device): number {
  const most = 2 ** Math.floor(Math.log2(limits.maxStorageBufferBindingSize));
  return Math.min((software ? 4 : 256) * 2 ** 20, most);
}

/** Every access, copied and as a triad. */
export function streams(dev: Device, bytes: number): Group {
  const has16 = dev.gpu.features.has("shader-f16");
  return {
    stem: "bandwidth",
    make: () => {
      const fits = types.filter((t) => has16 || t.S === "f32");
      return [...new Set(fits.map((t) => t.S))].flatMap((S) => {
        const [a, b] = [1, 2].map((seed) => tensor(cyclic(S, bytes, seed), [bytes / 4], S === "f16" ? "u32" : "f32"));
        return fits.filter((t) => t.S === S).flatMap((t) => [false, true].map((triad) => stream(t, triad, [a!, b!])));
      });
    },
  };
}

/** One kernel over the whole of a and b. */
function stream({ T, S, bytes }: Access, TRIAD: boolean, [a, b]: readonly [Tensor, Tensor]): Case {
  const all = 4 * a.size;
  const n = all / bytes;
  // On the first line, so that the lines of messages stay those of the file.
  const source = `${S === "f16" ? "enable f16; " : ""}${shaderSource("bench_stream.wgsl")}`;
  const streaming = new Kernel("bench_stream", source);
  return {
    name: streamName(TRIAD ? "triad" : "copy", T, all),
    work: { bytes: (TRIAD ? 3 : 2) * all },
    allowed: 0,
    run: () => {
      const y = empty(a.shape, a.dtype);
      streaming.run({ a, b, y }, { n, s: FACTOR }, { workgroups: Math.ceil(n / 256), constants: { T, S, TRIAD } });
      return y;
    },
    check: async (y) => {
      const words = await y.read();
      const scalars = S === "f16" ? new Uint16Array(words.buffer) : (words as Float32Array);
      const got = (i: number) => (S === "f16" ? half(scalars[i]!) : scalars[i]!);
      const want = (i: number) => valueAt(i, 1) + (TRIAD ? FACTOR * valueAt(i, 2) : 0);
      return [0, 1, 255, (scalars.length >> 1) + 3, scalars.length - 1].map((i): Pair => [got(i), want(i)]);
    },
  };
}

/** The size is part of the name: PyTorch's row refers to it. */
export const streamName = (what: "copy" | "triad", T: string, bytes: number): string =>
  `${what} ${T}, ${bytes / 2 ** 20} MiB`;

/** Element i of a (seed 1) or b (seed 2). */
const valueAt = (i: number, seed: number): number => (i * (2 * seed + 1)) % CYCLE;

/** Those values as f32, or as halves in u32's. */
function cyclic(S: "f32" | "f16", bytes: number, seed: number): Float32Array | Uint32Array {
  const out = S === "f32" ? new Float32Array(bytes / 4) : new Uint16Array(bytes / 2);
  for (let i = 0; i < CYCLE; i++) out[i] = S === "f32" ? valueAt(i, seed) : halfBits(valueAt(i, seed));
  for (let filled = CYCLE; filled < out.length; filled *= 2) out.copyWithin(filled, 0, filled);
  return out instanceof Float32Array ? out : new Uint32Array(out.buffer);
}

/** A whole number of 0..2047 as f16. */
function halfBits(n: number): number {
  if (n === 0) return 0;
  const exponent = Math.floor(Math.log2(n));
  return ((exponent + 15) << 10) | ((n / 2 ** exponent - 1) * 1024);
}
