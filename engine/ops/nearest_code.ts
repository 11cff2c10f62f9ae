// The nearest code of a vector quantiser (van den Oord et al. 2017): i(r) = argmin_i |z_r - e_i|^2.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { kernel } from "../shader.js";
import { empty, show, type Tensor } from "../tensor.js";

const nearest = kernel("nearest_code"); // z, codebook -> index

/**
 * For each row the first nearest code, as the nets compute it in f32: argmin of |z|^2 + |e|^2 - 2 z e.
 *
 * @param z         (N, D), D small: a thread holds a row in registers
 * @param codebook  (M, D)
 * @returns         u32 (N), without a gradient
 */
export function nearestCode(z: Tensor, codebook: Tensor): Tensor {
  const [N, D] = z.shape;
  const [M, width] = codebook.shape;
  if (!D || !M || N === undefined || z.shape.length !== 2 || codebook.shape.length !== 2 || width !== D) {
    throw new ShapeError(`nearestCode: z is ${show(z)}, the codebook ${show(codebook)}; they need (N, D) and (M, D).`);
  }
  const { tuning, family } = device();
  const WORKGROUP = tuning[family].reduce.workgroup;
  const index = empty([N], "u32");
  const launch = { workgroups: Math.ceil(N / WORKGROUP), constants: { D, WORKGROUP } };
  nearest.run({ z, codebook, index }, { rows: N, codes: M }, launch);
  return index;
}
