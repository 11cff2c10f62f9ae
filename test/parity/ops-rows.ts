// Reductions, normalisations, pools and interpolation against PyTorch.

import { batchNorm } from "../../engine/ops/batch_norm.js";
import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { bilinear, upsampleNearest2 } from "../../engine/ops/interpolate.js";
import { l2Normalize } from "../../engine/ops/l2_normalize.js";
import { layerNorm } from "../../engine/ops/layer_norm.js";
import { avgPool2d, globalAvgPool, maxPool2d } from "../../engine/ops/pool.js";
import { max, mean, std, sum, variance } from "../../engine/ops/reduce.js";
import { softmax } from "../../engine/ops/softmax.js";
import { type Tensor, zeros } from "../../engine/tensor.js";
import { loadGolden } from "../golden.js";
import { parity } from "./cases.js";
import { opCase } from "./op-case.js";

parity("ops", async () => {
  const golden = loadGolden("ops");
  const sizeOf = (name: string) => golden.shape(`${name}/out`).slice(2) as [number, number];
  const ops: Record<string, (x: Record<string, Tensor>) => Tensor> = {
    softmax_last: ({ x }) => softmax(x!),
    softmax_dim1: ({ x }) => softmax(x!, 1),
    softmax_large: ({ x }) => softmax(x!),
    cross_entropy: ({ x, t }) => crossEntropy(x!, t!),
    cross_entropy_smooth: ({ x, t }) => crossEntropy(x!, t!, { labelSmoothing: 0.1 }),
    l2_normalize: ({ x }) => l2Normalize(x!),
    layer_norm: ({ x, w, b }) => layerNorm(x!, w!, b!),
    group_norm_32: ({ x, w, b }) => groupNorm(x!, 32, w!, b!),
    group_norm_1d: ({ x, w, b }) => groupNorm(x!, 32, w!, b!, { eps: 1e-6 }),
    batch_norm_train: ({ x, w, b }) => {
      const running = { runningMean: zeros([x!.dim(1)]), runningVar: zeros([x!.dim(1)]) };
      return batchNorm(x!, { weight: w, bias: b, ...running, training: true });
    },
    batch_norm_eval: ({ x, w, b, m, v }) =>
      batchNorm(x!, { weight: w, bias: b, runningMean: m!, runningVar: v!, training: false }),
    mean_dims: ({ x }) => mean(x!, [1, 2]),
    var_unbiased: ({ x }) => variance(x!, -1),
    std_unbiased: ({ x }) => std(x!, -1),
    max_last: ({ x }) => max(x!),
    sum_large: ({ x }) => sum(x!),
    maxpool_1_s2: ({ x }) => maxPool2d(x!, { kernel: 1, stride: 2 }),
    maxpool_3_s2: ({ x }) => maxPool2d(x!, { kernel: 3, stride: 2 }),
    maxpool_3_s2_p1: ({ x }) => maxPool2d(x!, { kernel: 3, stride: 2, padding: 1 }),
    avgpool_2: ({ x }) => avgPool2d(x!, { kernel: 2, stride: 2 }),
    avgpool_3_s1_p1: ({ x }) => avgPool2d(x!, { kernel: 3, stride: 1, padding: 1 }),
    global_avgpool: ({ x }) => globalAvgPool(x!),
    bilinear_down: ({ x }) => bilinear(x!, sizeOf("bilinear_down")),
    bilinear_up: ({ x }) => bilinear(x!, sizeOf("bilinear_up")),
    nearest_up2: ({ x }) => upsampleNearest2(x!),
  };
  return Object.entries(ops).map(([name, op]) => opCase(golden, name, op));
});
