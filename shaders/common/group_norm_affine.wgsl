// write_affine   the end of both forms of group_norm_merge: statistics of a group to the affine map of each of its channels
//
// Needs          common/group_norm.wgsl; w, bias, modulation, affine: arrays of f32

/** Writes a, s and the mean of one channel: y = gain (x - mean) rstd + bias (1 + scale) + shift. */
fn write_affine(b: u32, c: u32, mean: f32, rstd: f32) {
  var s = 0.0;
  if (AFFINE) { s = bias[c] * factor(b, c); }
  if (MODULATED) { s += modulation[(b * 2u + 1u) * params.channels + c]; }
  let at = b * 3u * params.channels + c;
  affine[at] = rstd * gain(b, c);
  affine[at + params.channels] = s;
  affine[at + 2u * params.channels] = mean;
}
