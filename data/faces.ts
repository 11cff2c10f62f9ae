// Drawn faces: pictures of people who do not exist. A data set without files, for demos and tests.
//
//   const y = drawFaces([{ identity: 3, k: 0 }, { identity: 3, k: 1 }], 112, seed);        (2, 3, 112, 112)
//
// A picture is a pure function of (seed, identity, k): identityOf(seed, identity) says who is drawn, captureOf(seed,
// identity, k) how the k-th picture was taken. The two share no numbers, so either may be held fixed.

import { ShapeError } from "../engine/errors.js";
import { kernel } from "../engine/shader.js";
import { empty, show, type Tensor, tensor } from "../engine/tensor.js";
import { captureFields, neutralFields } from "./face-capture.js";
import { offsets, pack } from "./face-draw.js";
import { identityFields } from "./face-identity.js";

/** Where each number lies in a record, counted in floats: `struct Face` of shaders/common/face_struct.wgsl. */
export const FACE_FIELDS = offsets({ ...identityFields(0, 0), ...captureFields(0, 0, 0) });

/** Floats of a record, and of its first part, the identity. Both are multiples of 4. */
export const FACE_SIZE = pack({ ...identityFields(0, 0), ...captureFields(0, 0, 0) }).length;
export const IDENTITY_SIZE = pack(identityFields(0, 0)).length;

export const identityOf = (seed: number, identity: number): Float32Array => pack(identityFields(seed, identity));
export const captureOf = (seed: number, identity: number, k: number): Float32Array =>
  pack(captureFields(seed, identity, k));
export const neutralCapture = (): Float32Array => pack(neutralFields());

/** A whole record: the identity's numbers, then the capture's. */
export function faceParams(seed: number, identity: number, k: number): Float32Array {
  return Float32Array.of(...identityOf(seed, identity), ...captureOf(seed, identity, k));
}

const draw = kernel("draw_face");
const PIXELS_PER_GROUP = 64; // WORKGROUP of the kernel

/** Faces drawn by one dispatch: short enough for drivers that give up after two seconds, even on an integrated GPU. */
const BATCH = 32;

/** One picture: the k-th of a person. */
export interface FaceKey {
  identity: number;
  k: number;
}

/**
 * Pictures of drawn faces: the same numbers give the same bits on the same adapter.
 *
 * @param list  who and which picture, N entries
 * @param size  S, pixels along a side
 * @returns     (N, 3, S, S), sRGB in [-1, 1]
 */
export function drawFaces(list: readonly FaceKey[], size: number, seed: number): Tensor {
  const records = new Float32Array(list.length * FACE_SIZE);
  list.forEach(({ identity, k }, n) => {
    records.set(faceParams(seed, identity, k), n * FACE_SIZE);
  });
  return drawRecords(tensor(records, [list.length, FACE_SIZE]), size);
}

/** The same from the numbers themselves: faces (N, FACE_SIZE), for instance identities under neutralCapture(). */
export function drawRecords(faces: Tensor, size: number): Tensor {
  if (faces.shape.length !== 2 || faces.shape[1] !== FACE_SIZE) {
    throw new ShapeError(
      `drawRecords: faces is ${show(faces)}, but a record has ${FACE_SIZE} numbers: give (N, ${FACE_SIZE}).`,
    );
  }
  if (!Number.isInteger(size) || size < 1)
    throw new ShapeError(`drawRecords: a picture of ${size} pixels a side cannot be drawn.`);
  const n = faces.shape[0]!;
  const y = empty([n, 3, size, size]);
  for (let first = 0; first < n; first += BATCH) {
    const count = Math.min(BATCH, n - first);
    const workgroups = Math.ceil((count * size * size) / PIXELS_PER_GROUP);
    draw.run({ faces, y }, { first, count, size }, { workgroups });
  }
  return y;
}
