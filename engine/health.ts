// The norm of all gradients, and what follows from it: how much they are scaled, and whether updates still happen. From the first
// update whose gradients are not finite, no kernel writes weights, moments or averages any more. The GPU decides by itself
// (shaders/common/health.wgsl), so the state before that update is there whenever the host looks.

import { device } from "./device.js";
import { keep } from "./scope.js";
import { kernel } from "./shader.js";
import { Tensor, zeros } from "./tensor.js";

export class Health {
  /** The struct that every kernel which changes weights reads: norm, scale, stopped. */
  readonly state = keep(zeros([4], "u32"));
  /** Norm of all gradients before clipping, (1); of the last `measure`. */
  readonly norm = keep(new Tensor(this.state.storage.retain(), [1]));
  private partial: Tensor | undefined;

  /**
   * Computes the norm of all gradients, and from it the scale and the stop flag of update number `update`.
   *
   * @param grads     the buckets' gradients, (n) each, n a multiple of 64
   * @param maxNorm   gradients are scaled down to it (PyTorch's clip_grad_norm_); 0: never
   */
  measure(grads: readonly Tensor[], update: number, maxNorm: number): void {
    const { family, tuning } = device();
    const software = family === "broadcast";
    const WORKGROUP = tuning[family].reduce.workgroup;
    const threads = tuning[family].optimiser.normThreads; // each leaves a partial sum of each bucket
    const partial = this.partialSums(grads.length * threads);
    grads.forEach((dw, b) => {
      const turns = Math.ceil(dw.size / 16 / threads);
      const walk = software ? { stride: turns, step: 1 } : { stride: 1, step: threads };
      const params = { n: dw.size, turns, ...walk, first: b * threads };
      const launch = { workgroups: threads / WORKGROUP, constants: { WORKGROUP } };
      kernel("grad_norm").run({ dw, partial }, params, launch);
    });
    const total = { count: grads.length * threads, max_norm: maxNorm, update };
    const launch = { workgroups: 1, constants: { WORKGROUP: software ? 1 : 256 } };
    kernel("grad_norm_total").run({ partial, health: this.state }, total, launch);
  }

  private partialSums(count: number): Tensor {
    if (this.partial && this.partial.size >= count) return this.partial;
    this.partial?.dispose();
    this.partial = keep(zeros([Math.max(1, count)]));
    return this.partial;
  }

  /** Number of the first update that did not happen; 0 if all did. Reads back. */
  async stoppedAt(): Promise<number> {
    return (await this.state.read())[2]!;
  }

  dispose(): void {
    for (const x of [this.state, this.norm, this.partial]) x?.dispose();
  }
}
