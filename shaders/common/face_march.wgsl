// face_march     what rays meet: the first surface, its normal, how open its surroundings are, whether light reaches it
//
// Needs          fn scene(p): vec2f, the distance to the nearest thing (and which), of draw_face.wgsl
// Steps          0.8 of the distance: the field is steeper than 1 in places.

const STEPS: u32 = 40u;          // of the ray march: most rays need 15, those along an edge more
const SHADOW_STEPS: u32 = 7u;
const PIVOT = vec3f(0.0, -0.20, 0.30);   // the head turns about this point, which lies in the picture's middle
const REACH: f32 = 2.3;          // radius about the pivot that holds everything drawn

/** Length along the ray to the first surface, and which; x = -1 when it meets none. */
fn march(origin: vec3f, dir: vec3f) -> vec2f {
  let b = dot(origin - PIVOT, dir);
  let inside = b * b - dot(origin - PIVOT, origin - PIVOT) + REACH * REACH;
  if (inside <= 0.0) { return vec2f(-1.0, 0.0); }
  var t = -b - sqrt(inside);
  let end = -b + sqrt(inside);
  var hit = vec2f(1e3, 0.0);
  for (var i = 0u; i < STEPS && t < end && hit.x > 0.004; i++) {
    t += 0.8 * select(hit.x, 0.0, i == 0u);
    hit = scene(origin + dir * t);
  }
  return select(vec2f(-1.0, 0.0), vec2f(t, hit.y), hit.x < 0.05 && t < end);     // out of steps: near is a hit
}

/** Gradient of the field by four taps at the corners of a tetrahedron. */
fn normal_at(p: vec3f) -> vec3f {
  var n = vec3f(0.0);
  for (var i = 0u; i < 4u; i++) {
    let e = 2.0 * vec3f(vec3u((i + 3u) >> 1u, i >> 1u, i) & vec3u(1u)) - 1.0;
    n += e * scene(p + 0.008 * e).x;
  }
  return normalize(n + 1e-9);
}

/** How open the surroundings are: 1 free, 0 closed. */
fn openness(p: vec3f, n: vec3f) -> f32 {
  var closed = 0.0;
  var weight = 1.0;
  for (var i = 1u; i <= 3u; i++) {
    let h = 0.085 * f32(i);
    closed += weight * max(h - scene(p + n * h).x, 0.0);
    weight *= 0.75;
  }
  return saturate(1.0 - 2.2 * closed);
}

/** Soft shadow: 1 where the main light is free, 0 where it is hidden. */
fn lit(p: vec3f, light: vec3f) -> f32 {
  var free = 1.0;
  var t = 0.05;
  for (var i = 0u; i < SHADOW_STEPS; i++) {
    let d = scene(p + light * t).x;
    free = min(free, 0.5 + 0.5 * d * 7.0 / t);
    t += clamp(d, 0.06, 0.3);
  }
  free = saturate(free);
  return free * free * (3.0 - 2.0 * free);
}
