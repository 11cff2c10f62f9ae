// transpose      y[b, c, r] = x[b, r, c]
//
// Shapes         x: (B, R, C), y: (B, C, R), rows contiguous. 32-bit elements of any type.
// One workgroup  64 columns by 4 rows of one item; batch items past the third grid dimension are looped over.
// One thread     four rows of one column: four strided reads, one run of four adjacent writes.
// Traffic        x once, y once.
// Host           engine/layout.ts        Twin  test/reference/layout.ts

struct Params { rows: u32, cols: u32, batch: u32 }

@group(0) @binding(0) var<storage, read>       x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 64u + lane;
  if (column >= params.cols) { return; }
  let first = group.y * 4u;
  let end = min(first + 4u, params.rows);
  for (var b = group.z; b < params.batch; b += grid.z) {
    let item = b * params.rows * params.cols;
    for (var row = first; row < end; row++) {
      y[item + column * params.rows + row] = x[item + row * params.cols + column];
    }
  }
}
