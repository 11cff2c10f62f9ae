// weight(i, v)   the four channel weights that belong to vec4 i + v of a tensor, i a multiple of VECS and v < VECS
//
// Needs          w: array<vec4f> with one number a channel; params.channels, params.inner (see prelu.wgsl)

const CHANNELS_LAST: bool = false;       // inner is 1 and channels a multiple of 4 VECS: one load

fn weight_of(e: u32) -> f32 {
  let c = (e / params.inner) % params.channels;
  return w[c >> 2u][c & 3u];
}

fn weight(i: u32, v: u32) -> vec4f {
  if (CHANNELS_LAST) { return w[i % (params.channels >> 2u) + v]; }
  let e = 4u * (i + v);
  return vec4f(weight_of(e), weight_of(e + 1u), weight_of(e + 2u), weight_of(e + 3u));
}
