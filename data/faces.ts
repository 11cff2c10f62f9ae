// Drawn faces: people who do not exist, as numbers for shaders/draw_face.wgsl. A data set without files, for demos and tests.
//
// A picture is a pure function of (seed, identity, k): identityOf(seed, identity) says who is drawn, captureOf(seed, identity, k)
// says how the k-th picture of that person was taken. The two share nothing but the seed, so either may be held fixed.
//
// Sizes are decimetres and follow adult means and spreads (Farkas, "Anthropometry of the Head and Face", 1994), eyes a
// tenth larger. The distributions are ours, made to look like people; they describe no population.

import { type Rng, random } from "../engine/random.js";

type Color = [number, number, number];
type Values = Record<string, number | Color>;

/** Fields of `struct Face` in order; 3 marks a colour or a vector. The kernel's header says what each one means. */
export const FIELDS = {
  identity: {
    skin: 3, blush: 1, lips: 3, gloss: 1, iris: 3, freckles: 1, hair: 3, grey: 1, skull: 3, wrinkles: 1, mole: 3, seed: 1,
  },
} as const;
