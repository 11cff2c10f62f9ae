// Random tensors, made on the GPU from a fresh key of an Rng: the same stream gives the same values on every adapter (normal ones
// up to the last bits of log and cos). Twins: uniformArray and normalArray of engine/random.ts. No gradients.

import type { Rng } from "../random.js";
import { kernel } from "../shader.js";
import { empty, type Shape, type Tensor } from "../tensor.js";

/** Numbers a workgroup makes: four a thread. */
const PER_GROUP = 256;

/** Uniform in [0, 1). */
export const rand = (shape: Shape, rng: Rng): Tensor => fill("random_uniform", shape, rng);

/** Standard normal: PyTorch's `randn`, with the stream it draws from. */
export const randn = (shape: Shape, rng: Rng): Tensor => fill("random_normal", shape, rng);

function fill(name: string, shape: Shape, rng: Rng): Tensor {
  const y = empty(shape);
  const workgroups = Math.ceil(y.size / PER_GROUP);
  kernel(name).run({ y }, { n: y.size, key: rng.key(), offset: 0 }, { workgroups });
  return y;
}
