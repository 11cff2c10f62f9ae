// sdf            signed distances of a few solids, and smooth union and difference
//
// Lengths        any one unit; a distance is negative inside. `ellipsoid` is a bound, exact only near its surface.
// Source         Inigo Quilez, "3D SDFs" and "smooth minimum" (quadratic form), https://iquilezles.org/articles/

/** Union of a and b, their seam rounded over the length k. */
fn smin(a: f32, b: f32, k: f32) -> f32 {
  let h = max(k - abs(a - b), 0.0) / k;
  return min(a, b) - 0.25 * k * h * h;
}

/** Intersection of a and b, rounded likewise; smax(a, -b, k) cuts b out of a. */
fn smax(a: f32, b: f32, k: f32) -> f32 {
  let h = max(k - abs(a - b), 0.0) / k;
  return max(a, b) + 0.25 * k * h * h;
}

/** An ellipsoid about the origin with half axes r. */
fn ellipsoid(p: vec3f, r: vec3f) -> f32 {
  let inverse = 1.0 / r;
  let a = p * inverse;
  let k = length(a);
  return k * (k - 1.0) / max(length(a * inverse), 1e-4);
}

/** A segment from a to b whose radius goes linearly from ra to rb: nearly a round cone, for the price of a capsule. */
fn cone(p: vec3f, a: vec3f, b: vec3f, ra: f32, rb: f32) -> f32 {
  let ab = b - a;
  let h = saturate(dot(p - a, ab) / dot(ab, ab));
  return length(p - a - ab * h) - mix(ra, rb, h);
}

/** A bump of height 1 at x = 0, down to 1 / e at |x| = width and to 0 at 1.6 width. */
fn bump(x: f32, width: f32) -> f32 {
  let u = x / width;
  let h = max(1.0 - 0.393 * u * u, 0.0);
  return h * h;
}

/** 0 before a, 1 past b, smooth between; b may lie below a, where the builtin smoothstep need not work. */
fn ramp(a: f32, b: f32, x: f32) -> f32 {
  let t = saturate((x - a) / (b - a));
  return t * t * (3.0 - 2.0 * t);
}

/** A sine made of parabolas (error below 0.06): cheap, and the same on every adapter. */
fn wave(x: f32) -> f32 {
  let f = fract(x * 0.15915494) - 0.5;
  return f * (16.0 * abs(f) - 8.0);
}
/** The same for three numbers. */
fn wave3(x: vec3f) -> vec3f {
  let f = fract(x * 0.15915494) - 0.5;
  return f * (16.0 * abs(f) - 8.0);
}
