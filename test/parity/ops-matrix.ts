// Matrix products, convolutions and attention against PyTorch.

import { attention, attentionFromLogits, attentionLogits } from "../../engine/ops/attention.js";
import { add, div, mul, sub } from "../../engine/ops/binary.js";
import { convTranspose2d } from "../../engine/ops/conv_transpose2d.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { linear } from "../../engine/ops/linear.js";
import { matmul } from "../../engine/ops/matmul.js";
import { mean, std } from "../../engine/ops/reduce.js";
import type { Tensor } from "../../engine/tensor.js";
import { loadGolden } from "../golden.js";
import { parity } from "./cases.js";
import { opCase } from "./op-case.js";

/** The heads of these cases are items; the file scales q and k by D^(-1/4) each. */
const oneHead = (q: Tensor) => ({ heads: 1, scale: q.dim(1) ** -0.5 });

/** The official blend, literally: each query's logits get the mean and the spread half way to those of the source. */
function injected({ q, k, v, src }: Record<string, Tensor>): Tensor {
  const own = attentionLogits(q!, k!, oneHead(q!));
  const centre = mean(own, -1, true);
  const spread = std(own, -1, { keepdim: true });
  const newCentre = mul(add(centre, mean(src!, -1, true)), 0.5);
  const newSpread = mul(add(spread, std(src!, -1, { keepdim: true })), 0.5);
  return attentionFromLogits(add(mul(div(sub(own, centre), spread), newSpread), newCentre), v!, 1);
}

parity("ops", async () => {
  const golden = loadGolden("ops");
  const ops: Record<string, (x: Record<string, Tensor>) => Tensor> = {
    linear: ({ x, w, b }) => linear(x!, w!, b),
    bmm: ({ a, b }) => matmul(a!, b!),
    conv2d_1x1: ({ x, w, b }) => conv2d(x!, w!, b),
    conv2d_1x1_s2_nobias: ({ x, w }) => conv2d(x!, w!, undefined, { stride: 2 }),
    conv2d_1x7: ({ x, w }) => conv2d(x!, w!, undefined, { padding: [0, 3] }),
    conv2d_3x3_p1: ({ x, w, b }) => conv2d(x!, w!, b, { padding: 1 }),
    conv2d_3x3_s2_p1: ({ x, w, b }) => conv2d(x!, w!, b, { stride: 2, padding: 1 }),
    conv2d_3x3_s2_asym: ({ x, w, b }) => conv2d(x!, w!, b, { stride: 2, padding: [0, 0, 1, 1] }),
    conv2d_7x7_s2_p3: ({ x, w }) => conv2d(x!, w!, undefined, { stride: 2, padding: 3 }),
    conv_transpose2d_4x4_s2_p1: ({ x, w, b }) => convTranspose2d(x!, w!, b, { stride: 2, padding: 1 }),
    attention_self: ({ q, k, v }) => attention(q!, k!, v!, oneHead(q!)),
    attention_cross: ({ q, k, v }) => attention(q!, k!, v!, oneHead(q!)),
    attention_cross_injected: injected,
  };
  return Object.entries(ops).map(([name, op]) => opCase(golden, name, op));
});
