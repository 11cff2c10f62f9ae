// noise          hashed lattice noise: the same numbers on every adapter up to rounding of the blend
//
// Source         integer hash: PCG, Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020

/** One PCG step and permutation: 32 bits to 32 bits. */
fn pcg(x: u32) -> u32 {
  let state = x * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

/** Lattice point to [0, 1). */
fn hash3(i: vec3i) -> f32 {
  return f32(pcg(u32(i.x) + pcg(u32(i.y) + pcg(u32(i.z)))) >> 8u) / 16777216.0;
}

/** Value noise in [0, 1], about one feature a unit. */
fn noise3(p: vec3f) -> f32 {
  let cell = floor(p);
  let i = vec3i(cell);
  let f = p - cell;
  let w = f * f * (3.0 - 2.0 * f);
  var sum = 0.0;
  for (var corner = 0; corner < 8; corner++) {
    let o = vec3i(corner & 1, (corner >> 1u) & 1, corner >> 2u);
    let side = mix(1.0 - w, w, vec3f(o));
    sum += side.x * side.y * side.z * hash3(i + o);
  }
  return sum;
}
