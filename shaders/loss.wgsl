// loss           y[t] = scale * sum of (a - b)^2, or |a - b|, over the part of thread t
//
// Shapes         a, b: (n), same order in memory; y: (threads). Their sum is the loss.
// One thread     `run` vec4's from t * first on, `step` apart: a contiguous stretch on software adapters (first = run, step = 1),
//                every threads-th vec4 on GPUs (first = 1, step = threads).
// Traffic        a, b once.
// Numerics       four running sums in f32, in a fixed order: same input, same bits.
// Gradient       loss_backward.wgsl        Host  engine/ops/loss.ts        Twin  test/reference/loss.ts

const SQUARED: bool = true;      // else the absolute value

struct Params { n: u32, threads: u32, run: u32, first: u32, step: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       a: array<vec4f>;
@group(0) @binding(1) var<storage, read>       b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let t = (group.y * grid.x + group.x) * 16u + lane;
  if (t >= params.threads) { return; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < params.run; k++) {
    let i = t * params.first + k * params.step;
    if (4u * i >= params.n) { break; }
    let d = a[i] - b[i];
    let inside = 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(params.n);      // beyond n the memory holds anything
    if (SQUARED) { sum += select(vec4f(0.0), d * d, inside); } else { sum += select(vec4f(0.0), abs(d), inside); }
  }
  y[t] = params.scale * (sum.x + sum.y + sum.z + sum.w);
}
