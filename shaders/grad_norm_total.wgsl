// grad_norm_total   health.norm = sqrt(sum of partial), and what follows from it
//
//   scale   = min(1, max_norm / (norm + 1e-6))          PyTorch's clip_grad_norm_; 1 when max_norm is 0
//   stopped = update, if it was 0 and the norm is not finite
//
// Shapes         partial: (count). health: one.
// One workgroup  does it all: thread t sums t, t + WORKGROUP, ..., then a tree.
// Traffic        partial once.
// Numerics       f32, a fixed order. Finite is decided by bits: WGSL may assume that no infinity and no NaN exist.
// Host           engine/health.ts        Twin  test/reference/optim.ts
//
// @import common/health.wgsl
// @import common/reduce.wgsl

const WORKGROUP: u32 = 256u;     // 1 on software adapters, where a barrier costs more than the sum

struct Params { count: u32, max_norm: f32, update: u32 }

@group(0) @binding(0) var<storage, read>       partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> health: Health;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < params.count; i += WORKGROUP) { sum += partial[i]; }
  let total = workgroup_sum(sum, lane);
  if (lane > 0u) { return; }

  let norm = sqrt(total);
  let finite = (bitcast<u32>(total) & 0x7f800000u) != 0x7f800000u;
  health.norm = norm;
  health.scale = select(1.0, min(1.0, params.max_norm / (norm + 1e-6)), params.max_norm > 0.0);
  if (!finite && health.stopped == 0u) { health.stopped = params.update; }
}
