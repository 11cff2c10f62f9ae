// face_shade     what the other parts of a drawn head are made of: eyes, hair, clothes
//
// Needs          common/noise.wgsl, common/sdf.wgsl, common/face_struct.wgsl, common/face_shape.wgsl
// Colours        linear RGB. p: a point in the head's axes, decimetres; q: the same, x folded; n: the normal there.

/** A material at a point: what the lighting in face_light.wgsl needs to know. */
struct Surface {
  albedo: vec3f,
  gloss: f32,             // strength of the highlight
  sharp: f32,             // its exponent
  scatter: f32,           // 0 to 1: light that leaks past the shadow's edge, reddened
  normal: vec3f,
}

fn shade_eye(p: vec3f, q: vec3f) -> Surface {
  let side = select(-1.0, 1.0, p.x > 0.0);
  let n = normalize(p - rig.eye * vec3f(side, 1.0, 1.0));
  let gaze = normalize(vec3f(face.gaze_x - 0.04 * side, face.gaze_y, 1.0));
  let at = n - gaze * dot(n, gaze);
  let r = length(at) / 0.56 * face.eye_size;                                   // 1 at the iris's rim

  let pink = ramp(0.08, 0.17, abs(q.x - rig.eye.x));
  let white = vec3f(0.50, 0.47, 0.455) * mix(vec3f(1.0), vec3f(0.95, 0.72, 0.68), pink);
  let rays = noise3(vec3f(6.0 * atan2(at.y, at.x + 1e-5), 0.0, face.seed));
  let streaks = 0.5 * noise3(vec3f(at.xy * 26.0, 2.0 * face.seed)) + 0.5 * rays;
  let iris = face.iris * (0.55 + 0.9 * streaks) * mix(1.25, 0.30, ramp(0.70, 1.0, r));
  var albedo = mix(iris, white, ramp(0.92, 1.10, r));
  albedo = mix(vec3f(0.004), albedo, ramp(0.34, 0.46, r));

  let gap = lid_gap(q.xy);                                                     // the upper lid's shadow, the lids' rim
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

  let grey = ramp(0.9 - face.grey, 1.9 - face.grey, 0.3 * curled + 0.4 * strand + 0.35);
  let albedo = mix(face.hair * (0.35 + 1.3 * strand), vec3f(0.44, 0.43, 0.42) * (0.7 + 0.6 * strand), grey);
  let tilted = normalize(n + 0.55 * (strand - 0.5) * vec3f(cos(around), 0.3, -sin(around)));
  return Surface(albedo, 0.35 + 0.5 * strand, 14.0, 0.25, tilted);
}

fn shade_cloth(p: vec3f, n: vec3f) -> Surface {
  let b = rig.body * (p - rig.neck_base);
  let weave = 0.75 + 0.15 * wave(70.0 * b.x) * wave(70.0 * b.y) + 0.2 * noise3(b * 7.0);
  return Surface(face.cloth * weave, 0.05, 8.0, 0.0, n);
}
