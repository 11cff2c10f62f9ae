// How a picture is taken: the 72 numbers that change from picture to picture of one person.
//
// Poses, light, background and expression vary as in photographs collected from the web and aligned by the eyes: mostly
// near frontal, sometimes turned by up to 60 degrees, in any light.

import { type Rng, random } from "../engine/random.js";
import {
  about,
  between,
  type Color,
  chance,
  clamp,
  type Fields,
  hsv,
  mix,
  mixColor,
  pick,
  scale,
} from "./face-draw.js";

const DEGREE = Math.PI / 180;
const MAX_YAW = 60 * DEGREE;

/** A background's or a garment's colour: mostly dull, sometimes bright. */
const colorOf = (rng: Rng): Color => hsv(rng.uniform(), rng.uniform() ** 1.5 * 0.8, rng.uniform() ** 1.4);

/** Light between candle (1) and overcast sky (0); the camera's white balance has taken most of it out. */
const whiteOf = (warmth: number): Color => mixColor([0.88, 0.98, 1.14], [1.22, 0.98, 0.72], warmth);

/** A unit vector towards the main light, camera axes: from the front half, mostly above. */
function lightOf(rng: Rng): Color {
  const side = about(rng, 0, 55) * DEGREE;
  const height = between(rng, -10, 60) * DEGREE;
  return [Math.sin(side) * Math.cos(height), Math.sin(height), Math.cos(side) * Math.cos(height)];
}

/** The capture's fields, in the order of `struct Face`. */
export function captureFields(seed: number, identity: number, k: number): Fields {
  const rng = random(seed, "capture", identity, k);
  const yaw = clamp(
    pick(rng, [
      [0.65, about(rng, 0, 15)],
      [0.35, about(rng, 0, 40)],
    ]) * DEGREE,
    -MAX_YAW,
    MAX_YAW,
  );
  const smile = pick(rng, [
    [3, between(rng, -0.15, 0.25)],
    [4, between(rng, 0.3, 1)],
    [0.5, between(rng, -0.4, -0.1)],
  ]);
  const flat = rng.uniform(); // 0 a lamp in the dark, 1 an overcast day
  const strength = mix(1.75, 0.7, flat) * between(rng, 0.85, 1.2);
  const ambient = mix(0.12, 0.62, flat) * between(rng, 0.8, 1.2);
  const warmth = clamp(about(rng, 0.45, 0.3), 0, 1);
  const cap = chance(rng, 0.07);
  const glasses = chance(rng, 0.16) ? between(rng, 0.014, 0.034) : 0;
  const blob = (): Color => [between(rng, -1.2, 1.2), between(rng, -1.2, 1.2), between(rng, 0.2, 1)];
  const ground = mixColor(scale(whiteOf(warmth), 0.55 * ambient), scale(colorOf(rng), ambient), 0.4);

  // The camera meters the face, but not perfectly.
  const light = lightOf(rng);
  const metered = 0.62 * strength * Math.max(light[2], 0.35) + 0.75 * ambient;

  return {
    yaw,
    pitch: clamp(about(rng, 0.02, 0.12), -0.35, 0.35),
    roll: about(rng, 0, 0.08),
    body_yaw: about(rng, -0.5 * yaw, 0.2),
    distance: between(rng, 4.5, 12),
    zoom: between(rng, 0.9, 1.1),
    shift_x: about(rng, 0.1 * Math.sin(yaw), 0.04),
    shift_y: about(rng, 0, 0.04),
    light,
    fill: between(rng, 0.05, 0.3),
    light_color: scale(whiteOf(warmth), strength),
    exposure: Math.exp(about(rng, 0, 0.27)) / metered ** 0.8,
    sky: scale(whiteOf(clamp(warmth + about(rng, -0.15, 0.2), 0, 1)), ambient),
    contrast: between(rng, 0.92, 1.2),
    ground,
    saturation: between(rng, 0.8, 1.2),
    back0: colorOf(rng),
    back_angle: between(rng, -Math.PI, Math.PI),
    back1: colorOf(rng),
    back_edge: between(rng, 0.15, 1.5),
    blob0: blob(),
    blob0_amount: between(rng, 0, 0.9),
    blob0_color: colorOf(rng),
    blob1_amount: between(rng, 0, 0.9),
    blob1: blob(),
    smile,
    blob1_color: colorOf(rng),
    mouth_open: chance(rng, 0.3) ? between(rng, 0.1, 0.9) : 0,
    cloth: colorOf(rng),
    brow_raise: about(rng, 0.1, 0.35),
    rim: chance(rng, 0.6) ? hsv(rng.uniform(), 0.3, 0.02) : hsv(between(rng, 0, 0.15), 0.5, between(rng, 0.05, 0.4)),
    glasses,
    cap: colorOf(rng),
    cap_on: cap ? 1 : 0,
    cap_brim: chance(rng, 0.6) ? between(rng, 0.3, 0.5) : 0,
    glasses_shape: rng.uniform(),
    glasses_tint: chance(rng, 0.2) ? between(rng, 0.2, 0.6) : 0.05,
    eye_close: chance(rng, 0.05) ? between(rng, 0.6, 1) : clamp(about(rng, 0.0, 0.12), 0, 0.4),
    gaze_x: clamp(about(rng, -0.7 * yaw, 0.15), -0.55, 0.55),
    gaze_y: about(rng, 0, 0.08),
    collar: between(rng, -0.25, 0.2),
    blur: rng.uniform() ** 3 * 1.6,
    noise: rng.uniform() ** 3 * 0.03,
    capture_seed: rng.uniform(),
    vignette: chance(rng, 0.4) ? between(rng, 0, 0.35) : 0,
    squint: clamp(0.35 * Math.max(smile, 0) + about(rng, 0, 0.15), 0, 1),
  };
}

/** A studio portrait: frontal, even light, grey background, no expression. For looking at identities alone. */
export function neutralFields(): Fields {
  return {
    ...captureFields(0, 0, 0),
    yaw: 0,
    pitch: 0,
    roll: 0,
    body_yaw: 0,
    distance: 8,
    zoom: 1,
    shift_x: 0,
    shift_y: 0,
    light: [-0.42, 0.55, 0.72],
    fill: 0.2,
    light_color: [1.3, 1.24, 1.17],
    exposure: 1,
    sky: [0.33, 0.34, 0.36],
    contrast: 1,
    ground: [0.17, 0.155, 0.145],
    saturation: 1,
    back0: [0.3, 0.31, 0.33],
    back1: [0.16, 0.17, 0.19],
    back_angle: -1.57,
    back_edge: 1,
    blob0_amount: 0,
    blob1_amount: 0,
    smile: 0.1,
    mouth_open: 0,
    cloth: [0.06, 0.07, 0.09],
    brow_raise: 0,
    glasses: 0,
    cap_on: 0,
    eye_close: 0,
    gaze_x: 0,
    gaze_y: 0,
    collar: 0,
    blur: 0,
    noise: 0,
    vignette: 0,
    squint: 0,
  };
}
