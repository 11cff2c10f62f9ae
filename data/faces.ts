// Drawn faces: pictures of people who do not exist. A data set without files, for demos and tests.
//
//   const y = drawFaces([{ identity: 3, k: 0 }, { identity: 3, k: 1 }], 112, seed);      (2, 3, 112, 112), values in [-1, 1]
//
// A picture is a pure function of (seed, identity, k): identityOf(seed, identity) says who is drawn, captureOf(seed, identity, k)
// how the k-th picture was taken. The two share nothing but the seed, so either may be held fixed.

import { captureFields, neutralFields } from "./face-capture.js";
import { offsets, pack } from "./face-draw.js";
import { identityFields } from "./face-identity.js";

/** Where each number lies in a record, counted in floats: `struct Face` of shaders/common/face_struct.wgsl. */
export const FACE_FIELDS = offsets({ ...identityFields(0, 0), ...captureFields(0, 0, 0) });

/** Floats of a record, and of its first part, the identity. Both are multiples of 4. */
export const FACE_SIZE = pack({ ...identityFields(0, 0), ...captureFields(0, 0, 0) }).length;
export const IDENTITY_SIZE = pack(identityFields(0, 0)).length;

export const identityOf = (seed: number, identity: number): Float32Array => pack(identityFields(seed, identity));
export const captureOf = (seed: number, identity: number, k: number): Float32Array => pack(captureFields(seed, identity, k));
export const neutralCapture = (): Float32Array => pack(neutralFields());

/** A whole record: the identity's numbers, then the capture's. */
export function faceParams(seed: number, identity: number, k: number): Float32Array {
  return Float32Array.of(...identityOf(seed, identity), ...captureOf(seed, identity, k));
}
