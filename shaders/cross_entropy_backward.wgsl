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

/** Of one element of one row. */
fn slope(row: u32, column: u32, v: f32) -> f32 {
  let hit = select(0.0, 1.0 - params.smoothing, column == labels[row]);
  return exp(v - stats[row].x) * stats[row].y - hit - params.smoothing / f32(params.cols);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  let e = 4u * at;
  if (e >= params.rows * params.cols) { return; }
  let row = e / params.cols;
  let column = e - row * params.cols;
  let v = x[at];
  var g: vec4f;
  if (column + 4u <= params.cols) {              // always, where C is a multiple of 4
    let place = vec4u(column) + vec4u(0u, 1u, 2u, 3u);
    let hit = select(vec4f(), vec4f(1.0 - params.smoothing), place == vec4u(labels[row]));
    let s = stats[row];
    g = exp(v - s.x) * s.y - hit - params.smoothing / f32(params.cols);
  } else {                                       // the four lie in two rows or more
    for (var i = 0u; i < 4u; i++) {
      let r = min((e + i) / params.cols, params.rows - 1u);
      g[i] = slope(r, (e + i) % params.cols, v[i]);
    }
  }
  dx[at] = dy[0] / f32(params.rows) * g;
}
