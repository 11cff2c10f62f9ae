// pad_matrix     y[b, r, c] = x[b, r, c] where x has it, else 0; also crops, where y is the smaller
//
// Shapes         x: (B, x_rows, x_cols)   y: (B, y_rows, y_cols)
// One workgroup  owns 64 elements of y. Workgroups past 65,535 fold into the second grid dimension.
// One thread     owns one element.
// Traffic        x and y once.
// Gradient       none: matmul.ts pads sizes that are no multiples of 4, inside its own rule      Host  engine/ops/matmul.ts

const WORKGROUP: u32 = 64u;

struct Params { x_rows: u32, x_cols: u32, y_rows: u32, y_cols: u32, n: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (i >= params.n) { return; }
  let c = i % params.y_cols;
  let r = i / params.y_cols % params.y_rows;
  let b = i / params.y_cols / params.y_rows;
  if (r < params.x_rows && c < params.x_cols) {
    y[i] = x[(b * params.x_rows + r) * params.x_cols + c];
  } else {
    y[i] = 0.0;
  }
}
