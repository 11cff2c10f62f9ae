// Storage arrays with their sizes written in, for SwiftShader alone: it finds the length of a runtime-sized array anew, by
// four integer divisions, at every load (the clamp that WebGPU asks for). Measured 2026-11-24 on the embedded adapter, CPU
// time of the same kernels, least of 6: matmul 512 8-14 %, 3x3 convolutions 3-14 %, weight gradients 7-13 %, elementwise and
// softmax 6-8 % less with sizes. lavapipe does not care. Delete when SwiftShader keeps the length.

/** Bytes read below which a kernel is not worth a pipeline of its own: they take some 40 ms to make. */
const WORTH_IT = 256 * 1024;
/** Pipelines of one kernel; past that a new size runs without. */
const MOST = 256;

const bytesOf: Record<string, number> = { f32: 4, u32: 4, i32: 4, vec2f: 8, vec4f: 16, vec4u: 16 };

/** Whether sizes pay: on this adapter, for so many bytes, with so many pipelines made. */
export const worthSizes = (kind: string, bytes: number, pipelines: number): boolean =>
  kind === "swiftshader" && bytes >= WORTH_IT && pipelines < MOST;

/**
 * `var<storage, read> x: array<T>;` becomes `array<T, N>` for every binding whose elements have a known size. Lines stay.
 *
 * @param bytes   the size that each binding will have, by name
 */
export function withSizes(text: string, bytes: ReadonlyMap<string, number>): string {
  return text.replace(
    /(var<storage, read>\s+)(\w+): array<(\w+)>;/g,
    (all, before: string, name: string, type: string) => {
      const plain = new RegExp(`^alias ${type} = (\\w+);`, "m").exec(text)?.[1] ?? type;
      const size = bytes.get(name);
      const element = bytesOf[plain];
      return size && element ? `${before}${name}: array<${type}, ${size / element}>;` : all;
    },
  );
}
