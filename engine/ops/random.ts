// Random tensors, made on the GPU from a fresh key of an Rng: the same stream gives the same values on every adapter (normal ones
// up to the last bits of log and cos). Twins: uniformArray and normalArray of engine/random.ts. No gradients.

import { flat, inParts } from "../parts.js";
import type { Rng } from "../random.js";
import { scope } from "../scope.js";
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
  const key = rng.key();
  scope(() =>
    inParts({ y: flat(y) }, (part, n, first) => {
      const workgroups = Math.ceil(n / PER_GROUP);
      kernel(name).run(part, { n, key, offset: first / 4 }, { workgroups });
    }),
  );
  return y;
}
