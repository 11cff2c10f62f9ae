// face_shade     what a drawn face is made of: colour, roughness and small relief at a point of its surface
//
// Needs          common/noise.wgsl, common/sdf.wgsl, common/face_struct.wgsl, common/face_shape.wgsl, common/face_hair.wgsl
// Colours        linear RGB. Points in the head's axes, decimetres.

/** A material: what the lighting in draw_face.wgsl needs to know. */
struct Surface {
  albedo: vec3f,
  gloss: f32,             // strength of the highlight
  sharp: f32,             // its exponent
  scatter: f32,           // light that leaks past the shadow's edge, reddened
  normal: vec3f,
}

/** Density of an eyebrow at a folded point, 0 to 1. */
fn eyebrow(q: vec3f, strand: f32) -> f32 {
  let x = (q.x - 0.10) / 0.42;
  let raise = 0.07 * face.brow_raise;
  let line = face.brow_height + raise + face.brow_angle * (q.x - 0.3) + face.brow_arch * (1.0 - 4.0 * (x - 0.62) * (x - 0.62));
  let half = face.brow_thickness * mix(1.0, 0.45, saturate(x)) * ramp(-0.06, 0.10, x);
  let across = abs(q.y - line + 0.012 * (strand - 0.5)) / half;
  return face.brow_density * ramp(1.25, 0.55, across) * ramp(-0.08, 0.08, x) * ramp(1.08, 0.80, x) *
    (0.70 + 0.5 * strand) * step(0.3, q.z);
}

/** Where a beard grows, 0 to 1: cheeks and chin in x, moustache in y. */
fn beard_mask(q: vec3f) -> vec2f {
  let at = lip_frame(q);
  let edge = 0.02 + 0.55 * q.x * q.x;                                        // up to the ears
  let lips = ramp(0.03, 0.07, length(vec2f(max(abs(at.x) - 0.8, 0.0) * 0.25, min(at.y + 0.05, 0.0) + max(at.y - 0.06, 0.0))));
  let chin = ramp(0.10, -0.10, at.y - edge) * ramp(-1.75, -1.45, q.y) * ramp(-0.2, 0.1, q.z) * lips;
  let lip = ramp(0.06, 0.10, at.y) * ramp(0.24, 0.16, at.y) * ramp(0.38, 0.26, q.x);
  return vec2f(chin, lip);
}

/** Height of the beard above the skin. */
fn beard_relief(p: vec3f, q: vec3f) -> f32 {
  let mask = beard_mask(q);
  let w = p + 0.03 * wave3(p.yzx * 21.0 + face.seed);
  let tufts = wave(37.0 * w.x) * wave(29.0 * w.y + 1.0) + 0.5 * wave(61.0 * w.x + 40.0 * w.z);
  return face.beard_length * max(mask.x * step(0.4, face.beard), mask.y * step(0.4, face.moustache)) * (1.0 + 0.16 * tufts);
}

fn shade_skin(p: vec3f, q: vec3f, n: vec3f) -> Surface {
  let fine = noise3(p * 55.0 + face.seed);
  let coarse = noise3(p * 9.0 + face.seed);
  let strand = noise3(vec3f(p.x * 60.0, p.y * 24.0, face.seed));
  let red = face.blush * (bump(length(q.xy - vec2f(0.42, -0.36)), 0.22) + 0.8 * bump(length(q.xy - vec2f(0.0, -face.nose_length)), 0.16) +
    0.6 * ramp(0.72, 0.80, q.x) + 0.35 * bump(q.y - rig.chin_y - 0.1, 0.15));
  var albedo = face.skin * mix(vec3f(1.0), vec3f(1.08, 0.74, 0.70), red) * (0.93 + 0.10 * coarse + 0.06 * fine);

  // freckles, mole
  let spots = ramp(0.66, 0.80, noise3(p * 26.0 + 2.0 * face.seed)) * bump(q.y + 0.25, 0.30) * ramp(0.3, 0.6, p.z);
  albedo = mix(albedo, albedo * vec3f(0.62, 0.45, 0.36), face.freckles * spots);
  albedo = mix(albedo, face.skin * vec3f(0.25, 0.17, 0.14), ramp(face.mole.z, 0.6 * face.mole.z - 1e-4, length(p.xy - face.mole.xy)) * step(0.0, p.z));

  // lids, rings below the eyes, folds from the nose to the mouth
  let eye = q.xy - rig.eye.xy;
  let gap = lid_gap(q.xy);
  albedo *= 1.0 - vec3f(0.16, 0.24, 0.22) * bump(length(eye * vec2f(0.8, 1.0)), 0.20);
  albedo *= 1.0 - (0.14 + 0.30 * face.wrinkles) * bump(gap - 0.075, 0.03) * step(eye.y, 0.0) * ramp(0.22, 0.12, abs(eye.x));
  let along = saturate((-face.nose_length + 0.05 - q.y) / 0.32);
  let fold_x = mix(face.nose_width + 0.03, rig.mouth_width + 0.09, sqrt(along));
  albedo *= 1.0 - (0.05 + 0.25 * face.wrinkles + 0.15 * max(face.smile, 0.0)) * bump(q.x - fold_x, 0.045) * ramp(0.0, 0.3, along) * ramp(1.0, 0.6, along);
  albedo *= 1.0 - 0.35 * face.wrinkles * (0.5 + 0.5 * sin(58.0 * p.y + 6.0 * coarse)) * ramp(0.30, 0.42, p.y) * ramp(0.5, 0.3, q.x);

  albedo *= 1.0 - 0.16 * bump(q.y - rig.mouth_y + 0.17, 0.05) * bump(q.x, 0.16);

  // lips and the dark between them
  let lip = lip_frame(q);
  let arch = sqrt(max(1.0 - lip.x * lip.x, 0.0));
  let open = lip_gap(lip.x);
  let bow = face.upper_lip * 1.7 * arch * (1.0 + 0.30 * bump(abs(lip.x) - 0.26, 0.25));
  let red_lip = ramp(0.02, -0.02, max(lip.y - open - bow, -lip.y - open - face.lower_lip * 1.8 * arch)) * step(0.5, p.z) * ramp(0.0, 0.25, arch);
  albedo = mix(albedo, face.lips * (0.85 + 0.3 * fine), red_lip);
  albedo *= 1.0 - 0.75 * bump(abs(lip.y) - open, 0.014) * ramp(1.06, 0.92, abs(lip.x)) * step(0.5, p.z);
  let inside = ramp(0.008, 0.030, lip.z) * ramp(0.01, -0.01, abs(lip.y) - open) * ramp(0.0, 0.3, arch) * ramp(0.010, 0.020, open);
  let teeth = ramp(open - 0.085, open - 0.07, lip.y) * (0.75 + 0.25 * ramp(0.0, 0.2, abs(fract(p.x * 12.0) - 0.5)));
  albedo = mix(albedo, mix(vec3f(0.10, 0.02, 0.02), vec3f(0.72, 0.67, 0.58) * ramp(1.0, 0.5, abs(lip.x)), teeth), inside);

  // hair that grows out of the skin: brows, lashes, stubble, the hairline's edge
  let shadow = face.hair * 0.55;
  let lash = face.lashes * ramp(0.030, 0.004, gap) * (0.35 + 0.65 * ramp(-0.02, 0.02, eye.y)) * ramp(0.20, 0.15, abs(eye.x)) * step(0.4, p.z);
  let beard = beard_mask(q);
  let stubble = max(beard.x * face.beard, beard.y * face.moustache) * mix(0.4 + 0.9 * fine, 0.8 + 0.3 * fine, ramp(0.4, 0.9, face.beard));
  let line = ramp(-0.05, 0.02, min(hair_region(p), hair_end(p)) + 0.10 * (strand - 0.5)) * ramp(0.0, 0.03, face.hair_side + face.hair_top) * ramp(0.20, 0.28, length(q.yz + vec2f(0.12, 0.10)) + max(face.skull.x - 0.10 - q.x, 0.0) * 4.0);
  albedo = mix(albedo, shadow, saturate(max(max(eyebrow(q, strand), lash), line * 0.9)));
  albedo = mix(albedo, mix(shadow, face.skin * vec3f(0.45, 0.45, 0.5), 0.15), saturate(stubble));

  let wet = select(face.gloss, 0.9, red_lip > 0.5);
  return Surface(albedo, wet * (0.7 + 0.6 * fine) * (1.0 - saturate(stubble)), select(22.0, 45.0, red_lip > 0.5), 1.0, n);
}

fn shade_eye(p: vec3f, q: vec3f) -> Surface {
  let side = select(-1.0, 1.0, p.x > 0.0);
  let center = rig.eye * vec3f(side, 1.0, 1.0);
  let n = normalize(p - center);
  let gaze = normalize(vec3f(face.gaze_x - 0.04 * side, face.gaze_y, 1.0));
  let at = n - gaze * dot(n, gaze);
  let r = length(at) / 0.56 * face.eye_size;                                   // 1 at the iris's rim
  let streaks = noise3(vec3f(at.xy * 26.0, 2.0 * face.seed)) * 0.5 + 0.5 * noise3(vec3f(atan2(at.y, at.x) * 6.0, 0.0, face.seed));
  var albedo = vec3f(0.50, 0.47, 0.455) * mix(vec3f(1.0), vec3f(0.95, 0.72, 0.68), ramp(0.08, 0.17, abs(q.x - rig.eye.x)));
  let iris = face.iris * (0.55 + 0.9 * streaks) * mix(1.25, 0.30, ramp(0.70, 1.0, r));
  albedo = mix(iris, albedo, ramp(0.92, 1.10, r));
  albedo = mix(vec3f(0.004), albedo, ramp(0.34, 0.46, r));
  let gap = lid_gap(q.xy);
  albedo *= mix(1.0, 0.38, ramp(-0.05, 0.0, gap) * ramp(-0.03, 0.03, q.y)) * ramp(0.015, -0.012, gap);
  return Surface(albedo, 3.0, 300.0, 0.15, n);
}

/** Strands: bright and dark streaks along the way the hair lies, and a normal that follows them. */
fn shade_hair(p: vec3f, n: vec3f) -> Surface {
  let around = atan2(p.x - face.hair_part, p.z + 0.35);
  let flow = vec3f(around * 26.0, p.y * 1.6 + 0.6 * sin(around * 5.0), face.seed);
  let straight = 0.6 * noise3(flow * vec3f(1.0, 2.0, 1.0)) + 0.4 * noise3(flow * vec3f(2.6, 4.0, 1.0) + 7.0);
  let curled = noise3(p * 24.0 + face.seed);
  let strand = mix(straight, curled, face.hair_curl);
  var albedo = face.hair * (0.35 + 1.3 * strand);
  albedo = mix(albedo, vec3f(0.44, 0.43, 0.42) * (0.7 + 0.6 * strand), ramp(0.9 - face.grey, 1.9 - face.grey, 0.3 * curled + 0.4 * strand + 0.35));
  let tilt = normalize(n + 0.55 * (strand - 0.5) * vec3f(cos(around), 0.3, -sin(around)));
  return Surface(albedo, 0.35 + 0.5 * strand, 14.0, 0.25, tilt);
}

fn shade_cloth(p: vec3f, n: vec3f) -> Surface {
  let b = rig.body * (p - rig.neck_base);
  let weave = 0.85 + 0.15 * sin(70.0 * b.x) * sin(70.0 * b.y) + 0.2 * (noise3(b * 7.0) - 0.5);
  return Surface(face.cloth * weave, 0.05, 8.0, 0.0, n);
}
