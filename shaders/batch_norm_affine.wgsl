// batch_norm_affine   the affine map of eval mode: a = w / sqrt(variance + eps),  s = bias,  mean
//
// Shapes         running_mean, running_var, w, bias: (C), stats: (C) of (mean, variance), affine: (3, C) of a, s, mean.
// One thread     one channel.
// Next           group_norm.wgsl        Host  engine/ops/batch_norm.ts        Twin  test/reference/batch_norm.ts

const AFFINE: bool = true;       // false: w is 1 and bias 0, and neither is read

struct Params { channels: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       running_mean: array<f32>;
@group(0) @binding(1) var<storage, read>       running_var: array<f32>;
@group(0) @binding(2) var<storage, read>       w: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> affine: array<f32>;
@group(0) @binding(6) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= params.channels) { return; }
  let mean = running_mean[c];
  var a = 1.0 / sqrt(running_var[c] + params.eps);
  var s = 0.0;
  if (AFFINE) { a *= w[c]; s = bias[c]; }
  stats[c] = vec2f(mean, running_var[c]);
  affine[c] = a;
  affine[params.channels + c] = s;
  affine[2u * params.channels + c] = mean;
}
