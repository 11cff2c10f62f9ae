// Storage arrays with their sizes written in, for SwiftShader: it finds the length of a runtime-sized array anew, by four
// integer divisions, at every load (the clamp that WebGPU asks for). Measured 2026-11-24 on the embedded adapter: see the
// table in docs/benchmarks.md; other adapters gain nothing. Delete when SwiftShader keeps the length.

const bytesOf: Record<string, number> = { f32: 4, u32: 4, i32: 4, vec2f: 8, vec4f: 16, vec2u: 8, vec4u: 16 };

/**
 * `var<storage, read> x: array<T>;` becomes `array<T, N>` for every binding of `bytes` that has an element of known size.
 *
 * @param bytes   the size that each binding will have, by name
 */
export function withSizes(text: string, bytes: ReadonlyMap<string, number>): string {
  return text.replace(/(var<storage, read>\s+)(\w+): array<(\w+)>;/g, (all, before: string, name: string, type: string) => {
    const plain = new RegExp(`^alias ${type} = (\\w+);`, "m").exec(text)?.[1] ?? type;
    const size = bytes.get(name);
    const element = bytesOf[plain];
    return size && element ? `${before}${name}: array<${type}, ${size / element}>;` : all;
  });
}
