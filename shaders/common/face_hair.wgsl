// face_hair      signed distances of what a head wears: hair, cap, spectacles, clothes
//
// Needs          common/sdf.wgsl, common/face_struct.wgsl, common/face_shape.wgsl (Rig), var<private> face, rig

/**
 * How far p lies inside the hair's region, along the head (below 0: bare skin). The bare part is a window: below the
 * hairline and in front of a line beside the face.
 */
fn hair_region(p: vec3f) -> f32 {
  let x = p.x - 0.25 * face.hair_part;
  let uneven = 0.016 * wave(19.0 * p.x + face.seed) + 0.014 * wave(47.0 * p.x + 3.0 * face.seed);
  let bays = face.hairline_temple * bump(abs(p.x) - 0.38, 0.17);
  let top = face.hairline - face.hairline_drop * x * x + bays + 0.8 * uneven;
  let throat = 0.6 * ramp(0.60, 0.35, abs(p.x)) * ramp(-0.4, -0.8, p.y);
  let front = mix(face.hair_front, face.hair_back, ramp(0.02, 0.40, p.y));
  let beside = front - throat + 0.06 * wave(9.0 * p.y + face.seed);
  return smax(p.y - top, beside - p.z, 0.10);
}

/** Height above the hair's lower end: short hair stops at the nape and with a sideburn, long hair hangs. */
fn hair_end(p: vec3f) -> f32 {
  let burn = 0.36 * ramp(-0.35, 0.0, p.z) * saturate(1.0 - 2.0 * face.hair_length);
  return p.y + 0.50 - burn + 1.4 * face.hair_length + 0.03 * wave(23.0 * p.x + face.seed);
}

/** Coarse locks; the fine strands are only shaded (face_shade.wgsl). */
fn locks(p: vec3f) -> f32 {
  let w = p + 0.12 * wave3(p.yzx * 5.0 + face.seed);
  let c = wave3(13.0 * w + vec3f(0.0, 1.0, 0.0));
  let curls = c.x * c.y * c.z;
  let x = p.x - face.hair_part;
  let around = x / (abs(x) + abs(p.z + 0.35) + 0.01);                          // like an angle: -1 to 1 over each half
  let straight = wave(around * 20.0 + 2.0 * wave(3.0 * p.y + face.seed));
  return mix(0.014 * straight, 0.055 * curls, face.hair_curl);
}

/** Hair: the scalp, thickened where hair grows and drawn out downwards where it is long, and a knot. */
fn hair_distance(p: vec3f) -> f32 {
  let lowered = p.y - 0.20 - clamp(p.y - 0.20, -face.hair_length, 0.0);
  let low = ramp(0.2, -0.8, p.y) * min(face.hair_length, 1.0);
  let radius = vec3f(face.skull.x, mix(face.skull.y, 0.45, low), face.skull.z);
  let scalp = ellipsoid(vec3f(p.x, lowered, p.z + 0.06), radius);
  let bun = length(p - vec3f(0.0, 1.10 + 0.8 * face.hair_bun, -0.35)) - face.hair_bun;
  let reach = max(face.hair_side, face.hair_top) + 0.06;
  if (scalp > reach + 0.25) { return min(scalp - reach, bun); }               // far away the locks do not matter

  let region = min(hair_region(p), hair_end(p));
  let grown = ramp(-0.02, face.hair_edge, region);
  let parted = face.hair_part_depth * bump(p.x - face.hair_part, 0.07) * ramp(0.2, 0.7, p.y);
  let lock = locks(p) * min(8.0 * face.hair_top, 1.0);
  let full = mix(face.hair_side, face.hair_top, ramp(-0.1, 0.9, p.y)) - parted + lock;
  let hair = max(scalp - mix(-0.06, full, grown), -region - 0.10);             // where nothing grows, below the skin
  return smin(hair, bun, 0.08);
}

/** The cap's crown, a solid. */
fn cap_dome(p: vec3f) -> f32 {
  return ellipsoid(p - vec3f(0.0, 0.22, -0.06), face.skull + vec3f(0.10, 0.12, 0.10));
}

/** The crown's shell above the cap's edge, and the brim. */
fn cap_distance(p: vec3f) -> f32 {
  let edge = 0.50 + 0.10 * p.z;
  let dome = smax(abs(cap_dome(p)) - 0.02, edge - p.y, 0.03);
  let b = vec3f(p.x, p.y - 0.56 + 0.28 * p.x * p.x + 0.18 * (p.z - 0.9), p.z - 0.75);
  let brim = max(ellipsoid(b, vec3f(0.72, 0.30, 0.40 + face.cap_brim)), max(abs(b.y) - 0.018, -b.z));
  return select(dome, min(dome, brim), face.cap_brim > 0.0);
}

/** Distance to the edge of the lenses in their plane (below 0: inside a lens). q: folded. */
fn lens_edge(q: vec2f) -> f32 {
  let at = (q - vec2f(face.eye_distance + 0.015, -0.03)) / vec2f(1.0, 0.86);
  let round = length(at) - 0.235;
  let b = abs(at) - vec2f(0.18, 0.13);
  let square = length(max(b, vec2f(0.0))) + min(max(b.x, b.y), 0.0) - 0.07;
  return mix(round, square, face.glasses_shape);
}

const LENS_Z: f32 = 1.0;          // plane of the spectacles

/** Rims, bridge and arms. q: folded. */
fn glasses_distance(q: vec3f) -> f32 {
  let z = q.z - LENS_Z + 0.35 * q.x * q.x;
  let rim = length(vec2f(lens_edge(q.xy), z));
  let bridge = length(vec2f(max(q.x - 0.11, 0.0), length(vec2f(q.y - 0.03 - 0.04 * bump(q.x, 0.06), z))));
  let arm = cone(q, vec3f(face.eye_distance + 0.25, 0.02, 0.885), vec3f(face.skull.x + 0.03, 0.02, -0.12), 0.0, 0.0);
  return min(min(rim, bridge), arm) - face.glasses;
}

/** Clothes: shoulders and a collar about the neck, in the body's axes. */
fn cloth_distance(p: vec3f) -> f32 {
  let b = rig.body * (p - rig.neck_base);
  let x = fold(b.x);
  let shoulders = cone(vec3f(x, b.yz), vec3f(0.30, -0.42, 0.02), vec3f(1.55, -0.72, -0.10), 0.42, 0.42);
  let chest = ellipsoid(b - vec3f(0.0, -1.1, 0.1), vec3f(1.3, 1.0, 0.62));
  let around = cone(p, vec3f(0.0, -0.45, -0.22), rig.neck_base, face.neck, face.neck + 0.04) - 0.05;
  let collar = smax(around, b.y - face.collar + 0.25 * b.z, 0.04);
  return smin(smin(shoulders, chest, 0.3), collar, 0.12);
}
