// cross_entropy_backward   dx[r, c] = dy / R (exp(x[r, c] - m) / s - (1 - e) [c = t] - e / C)
//
// Shapes         x, dx: (R, C), rows contiguous, labels t: (R), stats: (R) of (m, 1 / s), dy: (1). e is the label smoothing.
// One thread     four adjacent elements; the last ones may reach past the end, into the block's own padding.
// Traffic        x once, dx once.
// Host           engine/ops/cross_entropy.ts        Twin  test/reference/cross_entropy.ts

struct Params { rows: u32, cols: u32, smoothing: f32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       labels: array<u32>;
@group(0) @binding(2) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(3) var<storage, read>       dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(5) var<uniform>             params: Params;

fn slope(e: u32, v: f32) -> f32 {
  let row = min(e / params.cols, params.rows - 1u);
  let p = exp(v - stats[row].x) * stats[row].y;
  let hit = select(0.0, 1.0 - params.smoothing, e % params.cols == labels[row]);
  return p - hit - params.smoothing / f32(params.cols);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  let e = 4u * at;
  if (e >= params.rows * params.cols) { return; }
  let v = x[at];
  let g = vec4f(slope(e, v.x), slope(e + 1u, v.y), slope(e + 2u, v.z), slope(e + 3u, v.w));
  dx[at] = dy[0] / f32(params.rows) * g;
}
