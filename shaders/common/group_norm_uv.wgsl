// channel_sums, write_uv: what both forms of group_norm_backward_merge do with one channel, before and after its group is summed
//
// Needs          common/group_norm.wgsl; partial, w, modulation, sums, uv: arrays of f32

/** Adds the chunks of one channel, writes its sums, and returns both times its gain. */
fn channel_sums(b: u32, c: u32, rstd: f32) -> vec2f {
  var s = vec2f();
  for (var k = 0u; k < params.chunks; k++) {
    s += vec2f(partial[partial_index(b, k, 0u, c)], partial[partial_index(b, k, 1u, c)]);
  }
  let at = b * 2u * params.channels + c;
  sums[at] = s.x;
  sums[at + params.channels] = rstd * s.y;
  return gain(b, c) * s;
}

/** u and v of one channel, from the sums of its group. */
fn write_uv(b: u32, c: u32, group_sums: vec2f, rstd: f32) {
  let at = b * 2u * params.channels + c;
  uv[at] = -rstd * rstd * rstd * group_sums.y / params.count;
  uv[at + params.channels] = -rstd * group_sums.x / params.count;
}
