// face_skin      colour and gloss of a drawn face's skin, lips and teeth, and the hair that grows out of it
//
// Needs          common/noise.wgsl, common/sdf.wgsl, common/face_struct.wgsl, common/face_shape.wgsl,
//                common/face_hair.wgsl, common/face_shade.wgsl (Surface)
// Colours        linear RGB. p: a point in the head's axes, decimetres; q: the same, x folded. Masks run 0 to 1.

/** Density of an eyebrow. */
fn eyebrow(q: vec3f, strand: f32) -> f32 {
  let x = (q.x - 0.10) / 0.42;                                                 // 0 at the nose, 1 at the temple
  let arch = face.brow_arch * (1.0 - 4.0 * (x - 0.62) * (x - 0.62));
  let line = face.brow_height + 0.07 * face.brow_raise + face.brow_angle * (q.x - 0.3) + arch;
  let half = face.brow_thickness * mix(1.0, 0.45, saturate(x)) * ramp(-0.06, 0.10, x);
  let across = abs(q.y - line + 0.012 * (strand - 0.5)) / max(half, 1e-4);
  let ends = ramp(-0.08, 0.08, x) * ramp(1.08, 0.80, x) * step(0.3, q.z);
  return face.brow_density * ramp(1.25, 0.55, across) * ends * (0.70 + 0.5 * strand);
}

/** Where a beard grows: cheeks and chin in x, moustache in y. */
fn beard_mask(q: vec3f) -> vec2f {
  let at = lip_frame(q);
  let off_lips = vec2f(0.25 * max(abs(at.x) - 0.8, 0.0), min(at.y + 0.05, 0.0) + max(at.y - 0.06, 0.0));
  let edge = 0.02 + 0.55 * q.x * q.x;                                          // rises to the ears
  let jaw = ramp(0.10, -0.10, at.y - edge) * ramp(-1.75, -1.45, q.y) * ramp(-0.2, 0.1, q.z);
  let moustache = ramp(0.06, 0.10, at.y) * ramp(0.24, 0.16, at.y) * ramp(0.38, 0.26, q.x);
  return vec2f(jaw * ramp(0.03, 0.07, length(off_lips)), moustache);
}

/** Height of the beard above the skin, dm. */
fn beard_relief(p: vec3f, q: vec3f) -> f32 {
  let mask = beard_mask(q) * step(vec2f(0.4), vec2f(face.beard, face.moustache));
  let w = p + 0.03 * wave3(p.yzx * 21.0 + face.seed);
  let tufts = wave(37.0 * w.x) * wave(29.0 * w.y + 1.0) + 0.5 * wave(61.0 * w.x + 40.0 * w.z);
  return face.beard_length * max(mask.x, mask.y) * (1.0 + 0.16 * tufts);
}

/** Skin with its red and dark places, freckles and mole. fine, coarse: noise. */
fn complexion(p: vec3f, q: vec3f, fine: f32, coarse: f32) -> vec3f {
  let cheek = bump(length(q.xy - vec2f(0.42, -0.36)), 0.22);
  let nose_tip = bump(length(q.xy - vec2f(0.0, -face.nose_length)), 0.16);
  let chin = bump(q.y - rig.chin_y - 0.1, 0.15);
  let red = face.blush * (cheek + 0.8 * nose_tip + 0.35 * chin + 0.6 * ramp(-0.02, 0.06, q.x - face.skull.x));
  var albedo = face.skin * mix(vec3f(1.0), vec3f(1.08, 0.74, 0.70), red) * (0.93 + 0.10 * coarse + 0.06 * fine);

  let spots = ramp(0.66, 0.80, noise3(p * 26.0 + 2.0 * face.seed)) * bump(q.y + 0.25, 0.30) * ramp(0.3, 0.6, p.z);
  albedo *= mix(vec3f(1.0), vec3f(0.62, 0.45, 0.36), face.freckles * spots);
  let mole = ramp(face.mole.z, 0.6 * face.mole.z - 1e-4, length(p.xy - face.mole.xy)) * step(0.0, p.z);
  albedo *= mix(vec3f(1.0), vec3f(0.25, 0.17, 0.14), mole);

  // sockets, rings below the eyes, folds beside the mouth, lines on the forehead, the dip below the lips
  let eye = q.xy - rig.eye.xy;
  albedo *= 1.0 - vec3f(0.16, 0.24, 0.22) * bump(length(eye * vec2f(0.8, 1.0)), 0.20);
  let ring = bump(lid_gap(q.xy) - 0.075, 0.03) * step(eye.y, 0.0) * ramp(0.22, 0.12, abs(eye.x));
  let along = saturate((-face.nose_length + 0.05 - q.y) / 0.32);               // 0 at the nose, 1 beside the mouth
  let crease = mix(face.nose_width + 0.03, rig.mouth_width + 0.09, sqrt(along));
  let folds = bump(q.x - crease, 0.045) * ramp(0.0, 0.3, along) * ramp(1.0, 0.6, along);
  let lines = (0.5 + 0.5 * wave(58.0 * p.y + 6.0 * coarse)) * ramp(0.30, 0.42, p.y) * ramp(0.5, 0.3, q.x);
  let dip = bump(q.y - rig.mouth_y + 0.17, 0.05) * bump(q.x, 0.16);
  albedo *= 1.0 - (0.14 + 0.30 * face.wrinkles) * ring;
  albedo *= 1.0 - (0.05 + 0.25 * face.wrinkles + 0.15 * max(face.smile, 0.0)) * folds;
  return albedo * (1.0 - 0.35 * face.wrinkles * lines) * (1.0 - 0.16 * dip);
}

/** How much of a point is lip (x) and how much lies inside the mouth (y). lip: lip_frame(q). */
fn lip_mask(p: vec3f, lip: vec3f) -> vec2f {
  let arch = sqrt(max(1.0 - lip.x * lip.x, 0.0));
  let open = lip_gap(lip.x);
  let upper = face.upper_lip * 1.7 * arch * (1.0 + 0.30 * bump(abs(lip.x) - 0.26, 0.25));
  let lower = face.lower_lip * 1.8 * arch;
  let red = ramp(0.02, -0.02, max(lip.y - open - upper, -lip.y - open - lower)) * ramp(0.0, 0.25, arch);
  let inside = ramp(0.008, 0.030, lip.z) * ramp(0.01, -0.01, abs(lip.y) - open) * ramp(0.0, 0.3, arch);
  return vec2f(red * step(0.5, p.z), inside * ramp(0.010, 0.020, open));
}

/** The dark of the mouth and the upper teeth. */
fn mouth_inside(p: vec3f, lip: vec3f) -> vec3f {
  let open = lip_gap(lip.x);
  let gaps = 0.75 + 0.25 * ramp(0.0, 0.2, abs(fract(p.x * 12.0) - 0.5));
  let teeth = vec3f(0.72, 0.67, 0.58) * ramp(1.0, 0.5, abs(lip.x));
  return mix(vec3f(0.10, 0.02, 0.02), teeth, ramp(open - 0.085, open - 0.07, lip.y) * gaps);
}

/** Brows, lashes and the edge of the hairline in x, stubble and beard in y. */
fn grown(p: vec3f, q: vec3f, fine: f32) -> vec2f {
  let strand = noise3(vec3f(p.x * 60.0, p.y * 24.0, face.seed));
  let eye = q.xy - rig.eye.xy;
  let lid = ramp(0.030, 0.004, lid_gap(q.xy)) * ramp(0.20, 0.15, abs(eye.x)) * step(0.4, p.z);
  let lash = face.lashes * lid * (0.35 + 0.65 * ramp(-0.02, 0.02, eye.y));
  let off_ear = ramp(0.20, 0.28, length(q.yz + vec2f(0.12, 0.10)) + 4.0 * max(face.skull.x - 0.10 - q.x, 0.0));
  let any_hair = ramp(0.0, 0.03, face.hair_side + face.hair_top);
  let line = ramp(-0.05, 0.02, min(hair_region(p), hair_end(p)) + 0.10 * (strand - 0.5)) * off_ear * any_hair;
  let mask = beard_mask(q);
  let even = mix(0.4 + 0.9 * fine, 0.8 + 0.3 * fine, ramp(0.4, 0.9, face.beard));  // stubble has gaps, a beard none
  let stubble = max(mask.x * face.beard, mask.y * face.moustache) * even;
  return saturate(vec2f(max(max(eyebrow(q, strand), lash), 0.9 * line), stubble));
}

fn shade_skin(p: vec3f, q: vec3f, n: vec3f) -> Surface {
  let fine = noise3(p * 55.0 + face.seed);
  let coarse = noise3(p * 9.0 + face.seed);
  var albedo = complexion(p, q, fine, coarse);

  let lip = lip_frame(q);
  let mask = lip_mask(p, lip);
  albedo = mix(albedo, face.lips * (0.85 + 0.3 * fine), mask.x);
  albedo *= 1.0 - 0.75 * bump(abs(lip.y) - lip_gap(lip.x), 0.014) * ramp(1.06, 0.92, abs(lip.x)) * step(0.5, p.z);
  albedo = mix(albedo, mouth_inside(p, lip), mask.y);

  let hair = grown(p, q, fine);
  let root = face.hair * 0.55;
  albedo = mix(albedo, root, hair.x);
  albedo = mix(albedo, mix(root, face.skin * vec3f(0.45, 0.45, 0.5), 0.15), hair.y);

  let gloss = mix(face.gloss, 0.9, mask.x) * (0.7 + 0.6 * fine) * (1.0 - hair.y);
  return Surface(albedo, gloss, mix(22.0, 45.0, mask.x), 1.0, n);
}
