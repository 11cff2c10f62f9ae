// batch_norm_running   running = (1 - momentum) running + momentum statistic
//
// Shapes         stats: (C) of (mean, variance over n), running_mean, running_var: (C), overwritten.
// One thread     one channel. `correction` is n / (n - 1): the running variance is the unbiased one.
// Host           engine/ops/batch_norm.ts        Twin  test/reference/batch_norm.ts

struct Params { channels: u32, momentum: f32, correction: f32 }

@group(0) @binding(0) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= params.channels) { return; }
  let kept = 1.0 - params.momentum;
  running_mean[c] = kept * running_mean[c] + params.momentum * stats[c].x;
  running_var[c] = kept * running_var[c] + params.momentum * params.correction * stats[c].y;
}
