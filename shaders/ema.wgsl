// ema            average = decay average + (1 - decay) w
//
// Shapes         average, w: (n), a whole bucket of parameters; n is a multiple of 64 (flat.ts).
// One thread     VECS adjacent vec4's.
// Traffic        average read and written once, w read once: 12 bytes an element.
// Numerics       f32; decay 0 copies w to the bit. Nothing is written once `health` says stopped.
// Host           engine/optim.ts        Twin  test/reference/optim.ts
//
// @import common/health.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, decay: f32, gain: f32 }       // gain = 1 - decay

@group(0) @binding(0) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(1) var<storage, read>       w: array<vec4f>;
@group(0) @binding(2) var<storage, read>       health: Health;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n || health.stopped != 0u) { return; }
  // @unroll
  for (var k = 0u; k < VECS; k++) {
    average[i + k] = params.decay * average[i + k] + params.gain * w[i + k];
  }
}
