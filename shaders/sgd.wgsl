// sgd            one update of stochastic gradient descent with momentum, as PyTorch computes it
//
//   g = scale dw + l2 w
//   m = momentum m + g
//   w = w - lr m                              or, Nesterov: w = w - lr (g + momentum m)
//
// Shapes         w, m, dw: (n), a whole bucket of parameters; n is a multiple of 64 (flat.ts).
// One thread     VECS adjacent vec4's.
// Traffic        w, m read and written once, dw read once: 20 bytes an element.
// Numerics       f32. Nothing is written once `health` says stopped.
// Host           engine/optim.ts        Twin  test/reference/optim.ts
//
// @import common/health.wgsl

const VECS: u32 = 1u;            // 2 on software adapters
const NESTEROV: bool = false;

struct Params { n: u32, lr: f32, momentum: f32, l2: f32 }

@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(2) var<storage, read>       dw: array<vec4f>;
@group(0) @binding(3) var<storage, read>       health: Health;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n || health.stopped != 0u) { return; }
  // @unroll
  for (var k = 0u; k < VECS; k++) {
    let before = w[i + k];
    let g = health.scale * dw[i + k] + params.l2 * before;
    let velocity = params.momentum * m[i + k] + g;
    m[i + k] = velocity;
    w[i + k] = before - params.lr * select(velocity, g + params.momentum * velocity, NESTEROV);
  }
}
