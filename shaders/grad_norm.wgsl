// grad_norm      partial[first + t] = sum of dw_i^2 over the part of thread t
//
// Shapes         dw: (n), a bucket of gradients, n a multiple of 64. partial: (threads of all buckets together).
// One thread     turns of four vec4's. Software adapters: one contiguous run (stride = turns, step = 1). GPUs: turns that lie
//                all threads apart, so that neighbours read neighbours (stride = 1, step = threads).
// Traffic        dw once: 4 bytes an element.
// Numerics       four vec4 sums in f32, a fixed order: same input, same bits.
// Host           engine/health.ts        Twin  test/reference/optim.ts

const WORKGROUP: u32 = 64u;      // 16 on software adapters

struct Params { n: u32, turns: u32, stride: u32, step: u32, first: u32 }

@group(0) @binding(0) var<storage, read>       dw: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.x;
  var a = vec4f();
  var b = vec4f();
  var c = vec4f();
  var d = vec4f();
  for (var turn = 0u; turn < params.turns; turn++) {
    let i = (thread * params.stride + turn * params.step) * 4u;
    if (i * 4u >= params.n) { break; }
    a += dw[i] * dw[i];
    b += dw[i + 1u] * dw[i + 1u];
    c += dw[i + 2u] * dw[i + 2u];
    d += dw[i + 3u] * dw[i + 3u];
  }
  let sum = (a + b) + (c + d);
  partial[params.first + thread] = (sum.x + sum.y) + (sum.z + sum.w);
}
