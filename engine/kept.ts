// What a kernel makes of a weight before it can use it, kept from call to call while the weight rests (tape.ts#weightsRest).
//
// Contract     - whatever writes a buffer says so with `changed`: kernels (shader.ts), copies, clears and uploads (queue.ts); so
//                does a buffer that goes back to the pool (tensor.ts). What was made from it is then gone: never stale
//              - values are known by the place they were made from, not by a tensor: whoever reads the same memory shares them
//              - the first call keeps nothing, so a net that runs once takes no more memory

import type { Pool } from "./pool.js";
import { keep } from "./scope.js";
import type { Tensor } from "./tensor.js";

/** Nothing more is kept once this many bytes are in use: a gigabyte should do for the paper's UNet, whose weights are 825 MiB. */
const MOST = 960 * 2 ** 20;

export class Kept {
  /** Of all that is kept. */
  bytes = 0;
  /** By buffer, then by name; undefined: made once, not kept yet. */
  private readonly made = new Map<GPUBuffer, Map<string, Tensor | undefined>>();

  constructor(private readonly pool: Pool) {}

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
    const again = own.has(key);
    own.set(key, undefined);
    if (!again || this.pool.liveBytes > MOST) return fresh;
    this.bytes += 4 * fresh.size;
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
