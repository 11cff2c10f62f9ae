// attention_tiled   y = softmax(scale q k^T) v of each head, without a map in memory: for GPUs
//
//                m, l, y of the keys so far; a key with logit s:  m' = max(m, s),  f = exp(m - m'),  p = exp(s - m')
//                l = f l + p,  y = f y + p v;  at the end y / l  and  lse = m + log l        (Dao et al. 2022)
//
// Shapes         q, y: (B, heads D, Lq), k, v: (B, heads D, Lk), as common/attention_tile.wgsl says; lse: (B, heads, Lq).
// One workgroup  WORKGROUP queries of one head; keys and values come in tiles.
// One thread     one query: its channels and its share of y in registers.
// Traffic        q, y once, k and v once for each workgroup of queries.
// Numerics       f32, keys in order: same input, same bits. No exp overflows.
// Gradient       attention_tiled_backward.wgsl
// Host           engine/ops/attention_tiled.ts        Twin  test/reference/attention.ts

const D: u32 = 32u;              // channels of a head, a multiple of 4
const WORKGROUP: u32 = 64u;      // queries a workgroup
const TILE: u32 = 16u;           // keys a tile

// @import common/attention_tile.wgsl

@group(0) @binding(0) var<storage, read>       q: array<vec4f>;
@group(0) @binding(1) var<storage, read>       k: array<vec4f>;
@group(0) @binding(2) var<storage, read>       v: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let own = owner(group.y * grid.x + group.x, params.Lq);
  let query = min(own.z + lane, params.Lq - 1u); // threads past the end do as the last one and store nothing
  let item = own.x;
  if (item >= params.items) { return; }          // the same for all threads, so the barriers below are safe
  // @registers
  var row: array<vec4f, DV>;
  // @registers
  var sum: array<vec4f, DV>;
  // @unroll
  for (var d = 0u; d < DV; d++) { row[d] = params.scale * q[token(params.q, item, own.y, query) + d]; }

  var m = -3.0e38;
  var l = 0.0;
  for (var k0 = 0u; k0 < params.Lk; k0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * DV; i += WORKGROUP) {
      let key = min(k0 + i / DV, params.Lk - 1u);
      first_tile[i] = k[token(params.k, item, own.y, key) + i % DV];
      second_tile[i] = v[token(params.v, item, own.y, key) + i % DV];
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, params.Lk - k0); j++) {
      var product = vec4f();
      // @unroll
      for (var d = 0u; d < DV; d++) { product = fma(row[d], first_tile[j * DV + d], product); }
      let s = total(product);
      let higher = max(m, s);
      let f = exp(m - higher);
      let p = exp(s - higher);
      m = higher;
      l = fma(l, f, p);
      // @unroll
      for (var d = 0u; d < DV; d++) { sum[d] = fma(vec4f(p), second_tile[j * DV + d], f * sum[d]); }
    }
  }

  if (own.z + lane >= params.Lq) { return; }
  // @unroll
  for (var d = 0u; d < DV; d++) { y[token(params.y, item, own.y, query) + d] = sum[d] / l; }
  lse[(item * params.heads + own.y) * params.Lq + query] = m + log(l);
}
