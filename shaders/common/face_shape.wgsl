// face_shape     signed distance of a drawn head's skin: skull, jaw, nose, lips, lids, ears, neck
//
// Needs          common/sdf.wgsl, common/face_struct.wgsl, var<private> face: Face, var<private> rig: Rig
// Lengths        decimetres in the head's axes (face_struct.wgsl). Both halves are alike, so most of it sees |x|.

/** What follows from the parameters and is the same for every ray: filled once a thread by the kernel. */
struct Rig {
  eye: vec3f,             // centre of the eyeball at positive x
  eye_radius: f32,
  mouth_y: f32,           // line between the lips, at the middle
  mouth_z: f32,           // of the lips' ridge
  mouth_width: f32,       // half, with the smile
  chin_y: f32,            // lowest point, with the open mouth
  body: mat3x3f,          // head axes to body axes
  neck_base: vec3f,       // in head axes
}

/** Folded x: |x| with its kink rounded, so that no crease runs down the face. */
fn fold(x: f32) -> f32 { return sqrt(x * x + 0.0009); }

/** Signed height inside the opening between the lids (below 0: the eyeball shows). q: folded position. */
fn lid_gap(q: vec2f) -> f32 {
  let at = q - rig.eye.xy;
  let half_width = 0.165 * face.eye_size;
  let u = at.x / half_width;
  let y = at.y - face.eye_tilt * at.x;
  let arch = 1.0 - u * u;
  let lower = 0.048 * face.eye_open * face.eye_size * (1.0 - 0.6 * face.squint);
  let upper = mix(0.066 * face.eye_open * face.eye_size + 0.012 * face.brow_raise, 0.006 - lower, face.eye_close);
  return max(y - upper * arch * (1.0 - 0.25 * u), -lower * arch - y) * 0.85;
}

/** Place at the lips: x along them, -1 to 1; y above the line between them; z depth behind their ridge. */
fn lip_frame(q: vec3f) -> vec3f {
  let u = q.x / rig.mouth_width;
  let line = rig.mouth_y + (0.085 * face.smile + 0.012) * min(u * u, 1.6) - 0.012 * bump(u, 0.35);
  return vec3f(u, q.y - line, rig.mouth_z - 1.15 * q.x * q.x - q.z);
}

/** Half height of the open mouth at u; a closed one keeps a thin line. */
fn lip_gap(u: f32) -> f32 {
  let arch = max(1.0 - u * u, 0.0);
  return 0.004 + (0.13 * face.mouth_open + 0.035 * max(face.smile - 0.55, 0.0)) * sqrt(arch) * (0.6 + 0.4 * arch);
}

/** Adds the nose: ridge, tip, wings, nostrils. */
fn nose(q: vec3f, skin: f32) -> f32 {
  let base = -face.nose_length;
  let root = vec3f(0.0, 0.06, 0.80 + face.nose_bridge);
  let tip = vec3f(0.0, base + 0.075 + face.nose_up, 0.93 + face.nose_out);
  let along = saturate((root.y - q.y) / (root.y - tip.y));
  let bent = vec3f(q.xy, q.z - face.nose_hump * 4.0 * along * (1.0 - along));
  var d = smin(skin, cone(bent, root, tip, face.nose_bone, face.nose_tip * 0.75), 0.17);
  d = smin(d, length((q - tip) * vec3f(0.9, 1.0, 1.0)) - face.nose_tip, 0.11);
  let wing = vec3f(face.nose_width - 0.07, base + 0.055, 0.89 + 0.35 * face.nose_out);
  d = smin(d, ellipsoid(q - wing, vec3f(0.066, 0.062, 0.10)), 0.10);
  let nostril = vec3f(0.45 * face.nose_width, base - 0.015, 0.92 + 0.68 * face.nose_out);
  return smax(d, -ellipsoid(q - nostril, vec3f(0.036, 0.042, 0.06)), 0.03);
}

/** Adds the lips and cuts the mouth between them. */
fn mouth(q: vec3f, skin: f32) -> f32 {
  let at = lip_frame(q);
  let arch = max(1.0 - at.x * at.x, 0.0);
  let beside = max(q.x - rig.mouth_width, 0.0);
  let gap = lip_gap(at.x);
  let bow = 1.0 + 0.35 * bump(abs(at.x) - 0.26, 0.25);                        // the upper lip's two peaks
  let upper = face.upper_lip * (0.25 + 0.75 * sqrt(arch)) * bow;
  let lower = face.lower_lip * (0.25 + 0.75 * sqrt(arch));
  var d = smin(skin, length(vec3f(beside, at.y - gap - upper * 0.75, at.z + 0.010)) - upper * 0.9, 0.055);
  d = smin(d, length(vec3f(beside, at.y + gap + lower * 0.80, at.z + 0.005)) - lower * 0.95, 0.05);
  let opening = max(max(abs(at.y) - gap, beside - 0.004), at.z - 0.03 - 1.6 * gap);
  return smax(d, -opening, 0.018);
}

/** Hollows the sockets, adds the lids and cuts their opening; the eyeball itself is no skin. */
fn eyes(q: vec3f, skin: f32) -> f32 {
  let at = q - rig.eye;
  var d = smax(skin, 0.20 - length(at - vec3f(-0.01, -0.01, 0.355 - face.eye_depth)), 0.16);
  d = smin(d, length(at) - rig.eye_radius - 0.022, 0.05);
  let gap = lid_gap(q.xy);
  let above = ramp(0.0, 0.03, at.y) * ramp(0.22, 0.12, abs(at.x));
  d += face.lid_crease * bump(gap - 0.040, 0.016) * above;
  return smax(d, -max(gap, 0.6 - q.z), 0.012);
}

/** An ear: a tapered disc with a hollow. */
fn ear(q: vec3f) -> f32 {
  let center = vec3f(face.skull.x - 0.005 + face.ear_out, -0.12, -0.10);
  let b = q - center;
  let taper = 1.0 + 0.9 * clamp(b.y, -0.4, 0.4);                               // wide above, narrow at the lobe
  let at = vec3f(b.x + b.z * (0.45 + face.ear_out), b.y, (b.z - 0.2 * b.y) / taper) / face.ear_size;
  var d = ellipsoid(at, vec3f(0.07, 0.27, 0.165));
  d = smax(d, -ellipsoid(at - vec3f(0.07, 0.02, 0.03), vec3f(0.085, 0.18, 0.105)), 0.03);
  return d * face.ear_size;
}

/** The whole skin. q has its x folded, p has not. */
fn skin_distance(q: vec3f, p: vec3f) -> f32 {
  // skull, middle of the face, jaw, chin, neck
  let chin = vec3f(face.chin_width, rig.chin_y + 0.17, 0.66 + face.chin_forward);
  let corner = vec3f(face.jaw_width, -face.face_length + face.jaw_height, 0.02);
  var d = ellipsoid(q - vec3f(0.0, 0.20, -0.06), face.skull);
  d = smin(d, ellipsoid(q - vec3f(0.0, -0.36, 0.33), vec3f(face.skull.x * 0.78, 0.60 * face.face_length, 0.545)), 0.25);
  d = smin(d, cone(q, corner, chin, 0.115, 0.16), 0.36);
  d = smin(d, length(q - vec3f(0.0, chin.y, chin.z + 0.06)) - 0.15, 0.16);

  let neck = cone(p, vec3f(0.0, -0.45, -0.22), rig.neck_base, face.neck, face.neck + 0.04);
  if (min(d, neck) > 0.4) { return min(d, neck) - 0.25; }                     // far away the features do not matter

  // cheekbones, cheeks, brow, the swelling about the mouth
  let lift = 0.04 * max(face.smile, 0.0);
  d = smin(d, length(q - vec3f(face.skull.x * 0.62, -0.24 + lift, 0.55)) - 0.17 - face.cheekbones, 0.16);
  d = smin(d, length(q - vec3f(0.36, -0.55 + lift, 0.50)) - 0.24 - face.cheeks - 0.5 * lift, 0.20);
  d = smin(d, cone(q, vec3f(0.10, 0.15, 0.77), vec3f(0.46, 0.17, 0.55), 0.085 + face.brow_ridge, 0.10), 0.12);
  d = smin(d, ellipsoid(q - vec3f(0.0, rig.mouth_y + 0.02, 0.62), vec3f(0.33, 0.27, 0.29)), 0.14);

  d = eyes(q, d);
  d = nose(q, d);
  d = mouth(q, d);
  return smin(smin(d, ear(q), 0.04), neck, 0.14);
}
