// Who is drawn: the 76 numbers that stay the same in every picture of a person.
//
// Sizes are decimetres and follow adult means and spreads (Farkas, "Anthropometry of the Head and Face", 1994), eyes a
// tenth larger. Their joint distribution is ours, made to look like people; it describes no population.

import { type Rng, random } from "../engine/random.js";
import {
  about,
  between,
  type Color,
  chance,
  clamp,
  type Fields,
  hex,
  mix,
  mixColor,
  pick,
  scale,
} from "./face-draw.js";
import { hairColorOf, hairOf } from "./face-hair.js";

/** Skin from very light to very dark, sRGB, as photographed in even light. */
const SKINS = ["#dfb49c", "#d8a78a", "#cb987a", "#b98468", "#9c6a50", "#7d523d", "#5f3d2e", "#452c22"].map(hex);

const DARK_IRIS = hex("#3a2216");
const BROWN_IRIS = hex("#5f3a1f");
const HAZEL_IRIS = hex("#7d6233");
const GREEN_IRIS = hex("#65783f");
const GREY_IRIS = hex("#7d8a90");
const BLUE_IRIS = hex("#5585b0");

/** Irises go with the skin, loosely. melanin runs from 0 to 1. */
function irisOf(rng: Rng, melanin: number): Color {
  const light = clamp(1.1 - 2.6 * melanin, 0, 1);
  // biome-ignore format: a table
  const iris = pick(rng, [
    [0.4 + 2.5 * melanin, DARK_IRIS], [0.8, BROWN_IRIS], [0.4 * light + 0.05, HAZEL_IRIS], [0.4 * light, GREEN_IRIS],
    [0.35 * light, GREY_IRIS], [0.9 * light, BLUE_IRIS],
  ]);
  return scale(iris, between(rng, 0.85, 1.25));
}

/** The identity's fields, in the order of `struct Face`. */
export function identityFields(seed: number, identity: number): Fields {
  const rng = random(seed, "identity", identity);
  // Three hidden traits tie the visible ones together.
  const masculine = clamp(
    pick(rng, [
      [1, about(rng, 0.12, 0.12)],
      [1, about(rng, 0.86, 0.12)],
    ]),
    0,
    1,
  );
  const age = rng.uniform() ** 1.3;
  const melanin = rng.uniform() ** 1.15;
  const weight = about(rng, 0, 1);

  const shade = melanin * (SKINS.length - 1.001);
  const tone = mixColor(SKINS[Math.floor(shade)]!, SKINS[Math.floor(shade) + 1]!, shade % 1);
  const warmth = about(rng, 0, 0.04);
  const skin: Color = [tone[0] * (1 + 0.3 * warmth), tone[1], tone[2] * (1 - warmth * 1.6)];
  const iris = irisOf(rng, melanin);
  const { color: hair, grey } = hairColorOf(rng, melanin, age);
  const style = hairOf(rng, masculine, age);
  const bearded = chance(rng, 0.55 * masculine ** 2);
  const stubble = masculine > 0.5 ? between(rng, 0, 0.35) : 0;
  const full = bearded && chance(rng, 0.75); // else a moustache alone
  const length = bearded ? between(rng, 0.0, 0.1) : 0;
  const density = Math.max(between(rng, 0.5, 0.95), Math.min(14 * length, 0.95));
  const beard = full ? density : stubble;
  const rouge = chance(rng, 0.45 * (1 - masculine)) ? between(rng, 0.2, 0.75) : 0;
  const natural: Color = [skin[0] * 0.86, skin[1] * 0.56, skin[2] * 0.58];

  return {
    skin,
    blush: clamp(about(rng, 0.5, 0.25), 0, 1) * (1 - 0.4 * melanin),
    lips: mixColor(
      natural,
      hex(
        pick(rng, [
          [2, "#a83a44"],
          [1, "#8e2433"],
          [1, "#c25a5f"],
        ]),
      ),
      rouge,
    ),
    gloss: between(rng, 0.5, 1.3),
    iris,
    freckles: chance(rng, 0.28) ? between(rng, 0.35, 1) * (1 - melanin) : 0,
    hair,
    grey,
    skull: [about(rng, mix(0.71, 0.74, masculine), 0.028), about(rng, 0.89, 0.03), about(rng, 0.93, 0.025)],
    wrinkles: clamp(1.5 * age - 0.65, 0, 1),
    mole: [between(rng, -0.5, 0.5), between(rng, -0.9, -0.25), chance(rng, 0.3) ? between(rng, 0.02, 0.04) : 0],
    seed: between(rng, 0, 100),
    face_length: about(rng, mix(1.08, 1.19, masculine), 0.05),
    jaw_width: about(rng, mix(0.42, 0.495, masculine), 0.035) + 0.015 * weight,
    jaw_height: about(rng, 0.42, 0.05),
    chin_width: Math.max(about(rng, mix(0.07, 0.13, masculine), 0.035), 0.01),
    chin_forward: about(rng, 0.0, 0.035),
    cheekbones: about(rng, 0.0, 0.022),
    cheeks: 0.03 * weight + about(rng, 0, 0.01),
    brow_ridge: about(rng, mix(-0.005, 0.025, masculine), 0.01),
    eye_distance: about(rng, 0.325, 0.019),
    eye_size: about(rng, mix(1.12, 1.05, masculine), 0.06),
    eye_open: about(rng, 1.1, 0.13),
    eye_tilt: about(rng, 0.07, 0.09),
    eye_depth: about(rng, 0.02, 0.022),
    lid_crease: clamp(about(rng, 0.014, 0.008), 0, 0.03),
    lashes: mix(between(rng, 0.6, 1), between(rng, 0.2, 0.6), masculine),
    brow_height: about(rng, mix(0.25, 0.22, masculine), 0.022),
    brow_thickness: Math.max(about(rng, mix(0.03, 0.047, masculine), 0.011), 0.014),
    brow_angle: about(rng, 0.0, 0.09),
    brow_arch: clamp(about(rng, mix(0.035, 0.015, masculine), 0.018), -0.01, 0.08),
    brow_density: clamp(about(rng, 0.85, 0.15), 0.35, 1),
    nose_length: about(rng, 0.5, 0.035),
    nose_width: about(rng, mix(0.165, 0.185, masculine) + 0.02 * melanin, 0.016),
    nose_bridge: about(rng, 0.01 - 0.02 * melanin, 0.02),
    nose_bone: about(rng, mix(0.068, 0.08, masculine), 0.008),
    nose_out: about(rng, mix(0.115, 0.135, masculine), 0.025),
    nose_tip: about(rng, 0.088, 0.012),
    nose_up: about(rng, mix(0.035, 0.015, masculine), 0.022),
    nose_hump: about(rng, mix(0.0, 0.012, masculine), 0.016),
    nose_side: about(rng, 0, 0.01),
    mouth_height: about(rng, 0.41, 0.022),
    mouth_width: about(rng, mix(0.245, 0.262, masculine), 0.02),
    upper_lip: Math.max(about(rng, mix(0.043, 0.033, masculine) + 0.008 * melanin, 0.008), 0.016),
    lower_lip: Math.max(about(rng, mix(0.056, 0.048, masculine) + 0.008 * melanin, 0.009), 0.022),
    ear_size: about(rng, 1.0, 0.08),
    ear_out: Math.max(about(rng, 0.03, 0.03), -0.01),
    neck: about(rng, mix(0.42, 0.52, masculine), 0.025) + 0.02 * Math.max(weight, 0),
    hair_top: style.top,
    hair_side: style.side,
    hair_length: style.length,
    hair_front: style.front,
    hair_back: style.back,
    hairline: style.line,
    hairline_drop: style.drop,
    hairline_temple: style.temple,
    hair_edge: style.edge,
    hair_part: style.part,
    hair_part_depth: style.depth,
    hair_curl: style.curl,
    hair_bun: style.bun,
    beard,
    moustache: full
      ? density *
        pick(rng, [
          [4, 1],
          [1, 0.3],
        ])
      : bearded
        ? Math.max(density, 0.8)
        : 0.6 * stubble,
    beard_length: length,
  };
}
