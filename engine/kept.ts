// What a kernel makes of a weight before it can use it, kept from call to call while the weight rests (tape.ts#weightsRest).
//
// Contract     - whatever writes a buffer says so with `changed`: kernels (shader.ts), copies, clears and uploads (queue.ts); so
//                does a buffer that goes back to the pool (tensor.ts). What was made from it is then gone: never stale
//              - values are known by the place they were made from, not by a tensor: whoever reads the same memory shares them
//              - the first call keeps nothing, so a net that runs once takes no more memory

import { keep } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** Bytes kept at most, by all weights together: more than any net here has. */
const MOST = 2 ** 31;

export class Kept {
  bytes = 0;
  /** By buffer, then by name; undefined: made once, not kept yet. */
  private readonly made = new Map<GPUBuffer, Map<string, Tensor | undefined>>();

  /**
   * What `make` makes from x alone. The caller's scope frees it if it is not kept.
   *
   * @param name   of what is made: two that differ for the same place have different names
   */
  get(x: Tensor, name: string, make: () => Tensor): Tensor {
    const { buffer } = x.check().storage.block;
    const own = this.made.get(buffer) ?? new Map<string, Tensor | undefined>();
    this.made.set(buffer, own);
    const key = `${x.offset} ${x.size} ${name}`;
    const known = own.get(key);
    if (known) return known;
    const fresh = make();
    const bytes = own.has(key) ? 4 * fresh.size : 0;
    own.set(key, undefined);
    if (!bytes || this.bytes + bytes > MOST) return fresh;
    this.bytes += bytes;
    own.set(key, keep(fresh));
    return fresh;
  }

  /** The buffer was written, or given back: drops what was made from it. */
  changed(buffer: GPUBuffer): void {
    const own = this.made.get(buffer);
    if (!own) return;
    this.made.delete(buffer);
    for (const tensor of own.values()) {
      if (tensor) this.bytes -= 4 * tensor.size;
      tensor?.dispose();
    }
  }
}
