// adam           one update of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch computes it
//
//   g = scale dw + l2 w                       l2: Adam's weight decay; 0 for AdamW
//   m = m + (1 - beta1)(g - m)                v = beta2 v + (1 - beta2) g^2
//   w = (1 - shrink) w - rate m / (root sqrt(v) + eps)
//                                             rate = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t)
//                                             shrink = lr decay: AdamW's weight decay; 0 for Adam
//
// Shapes         w, m, v, dw: (n), a whole bucket of parameters; n is a multiple of 64 (flat.ts).
// One thread     VECS adjacent vec4's.
// Traffic        w, m, v read and written once, dw read once: 28 bytes an element.
// Numerics       f32; the corrections come from the host in float64. Nothing is written once `health` says stopped.
// Host           engine/optim.ts        Twin  test/reference/optim.ts
//
// @import common/health.wgsl

const VECS: u32 = 1u;            // 2 on software adapters

struct Params {
  n: u32, rate: f32, shrink: f32, l2: f32,
  gain1: f32, beta2: f32, gain2: f32, root: f32,      // gain = 1 - beta
  eps: f32,
}

@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(3) var<storage, read>       dw: array<vec4f>;
@group(0) @binding(4) var<storage, read>       health: Health;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n || health.stopped != 0u) { return; }
  // @unroll
  for (var k = 0u; k < VECS; k++) {
    let before = w[i + k];       // each is read once: software adapters do not see that two loads are the same
    let past = m[i + k];
    let g = health.scale * dw[i + k] + params.l2 * before;
    let mean = past + params.gain1 * (g - past);
    let square = params.beta2 * v[i + k] + params.gain2 * g * g;
    m[i + k] = mean;
    v[i + k] = square;
    w[i + k] = (1.0 - params.shrink) * before - params.rate * mean / (params.root * sqrt(square) + params.eps);
  }
}
