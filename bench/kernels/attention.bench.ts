// Attention of the UNet: at the paper's shapes, 32 channels a head.

import { attention as op } from "../../engine/ops/attention.js";
import { type Case, filled, type Group, type Pair } from "../case.js";

/** Channels a head. */
const D = 32;
/** Of the logits. */
const SCALE = 1 / Math.sqrt(D);

/** Self-attention of Lq pixels, or cross-attention to Lk tokens; checked in one row of one head. */
function rows(heads: number, Lq: number, Lk: number): Case {
  const B = 8;
  const C = heads * D;
  const [q, k, v] = [
    filled([B, C, Lq], 1, "channels_last"),
    filled([B, C, Lk], 2, "channels_last"),
    filled([B, C, Lk], 3, "channels_last"),
  ];
  return {
    name: `attention B${B} H${heads} ${Lq}x${Lk}`,
    work: { flops: 4 * B * heads * Lq * Lk * D },
    allowed: 1e-5,
    run: () => op(q.t, k.t, v.t, { heads, scale: SCALE }),
    check: async (y) => {
      const got = await y.read();
      const at = (x: Float32Array, L: number, c: number, l: number) => x[c * L + l]!; // image 0, head 0
      const logits = Array.from({ length: Lk }, (_, l) => {
        let sum = 0;
        for (let c = 0; c < D; c++) sum += at(q.v, Lq, c, 5) * at(k.v, Lk, c, l);
        return Math.exp(SCALE * sum);
      });
      const total = logits.reduce((a, b) => a + b);
      return Array.from({ length: D }, (_, c): Pair => {
        const want = logits.reduce((sum, p, l) => sum + (p / total) * at(v.v, Lk, c, l), 0);
        return [at(got as Float32Array, Lq, c, 5), want];
      });
    },
  };
}

export const attention: Group = {
  stem: "attention",
  make: () => [rows(6, 256, 256), rows(12, 64, 64), rows(24, 16, 16), rows(6, 256, 32), rows(12, 64, 32)],
};
