// attention_blend   x[r, c] *= (1 + std s[r] / std x[r]) / 2,  in the rows of items that have another item as their source
//
// Shapes         x, s: (R, ld), of whose columns the first `cols` count; R = items * rows_an_item. source: (B).
// One thread     owns one row: the rows are short (32 keys in the net), and 1/n or 1/(n - 1) cancels.
// Traffic        x and s three times, x once out; nothing for items that are their own source.
// Numerics       the mean first, then squares of differences from it.
// Gradient       none: sampling only        Host  engine/ops/attention_strip.ts        Twin  test/reference/attention.ts
//
// @import common/row.wgsl

alias T = vec4f;                 // vec4f where the number of keys is a multiple of 4, else f32
const WORKGROUP: u32 = 64u;

struct Params {
  rows: u32, cols: u32, ld: u32,
  first: u32,                    // the item that row 0 belongs to
  rows_an_item: u32,
  per_column: f32,               // 1 / number of keys
}

@group(0) @binding(0) var<storage, read>       source: array<u32>;
@group(0) @binding(1) var<storage, read>       s: array<T>;
@group(0) @binding(2) var<storage, read_write> x: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let item = params.first + row / params.rows_an_item;
  if (source[item] == item) { return; }
  let first = row * params.ld;
  let end = first + params.cols;

  var sum_x = T();
  var sum_s = T();
  for (var i = first; i < end; i++) {
    sum_x += x[i];
    sum_s += s[i];
  }
  let mean_x = across_sum(sum_x) * params.per_column;
  let mean_s = across_sum(sum_s) * params.per_column;

  var square_x = T();
  var square_s = T();
  for (var i = first; i < end; i++) {
    let dx = x[i] - mean_x;
    let ds = s[i] - mean_s;
    square_x += dx * dx;
    square_s += ds * ds;
  }
  let factor = 0.5 + 0.5 * sqrt(across_sum(square_s) / across_sum(square_x));

  for (var i = first; i < end; i++) { x[i] *= factor; }
}
