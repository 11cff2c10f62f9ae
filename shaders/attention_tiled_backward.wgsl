// attention_tiled_backward   dq, dk and dv of attention_tiled: for GPUs
//
//                p = exp(scale q k - lse),  delta = sum over channels of dy y,  dA = p (dy v - delta)
//                dq = scale sum over keys of dA k,  dk = scale sum over queries of dA q,  dv = sum over queries of p dy
//
// Shapes         as in attention_tiled.wgsl; grads: all three, each at its place (common/attention_tile.wgsl).
// One workgroup  WORKGROUP queries of one head, with keys and values in tiles; or, behind all of these, WORKGROUP keys of one head,
//                with queries and their gradients in tiles.
// One thread     one query: q, dy and dq in registers. Or one key: k, v, dk and dv in registers.
// Traffic        all once; k and v once more for each workgroup of queries, q, y and dy for each of keys.
// Numerics       f32, keys and queries in order: same input, same bits.
// Host           engine/ops/attention_tiled.ts

const D: u32 = 32u;              // channels of a head, a multiple of 4
const WORKGROUP: u32 = 64u;      // queries, or keys, a workgroup
const TILE: u32 = 16u;           // keys, or queries, a tile; not above WORKGROUP

// @import common/attention_tile.wgsl

@group(0) @binding(0) var<storage, read>       q: array<vec4f>;
@group(0) @binding(1) var<storage, read>       k: array<vec4f>;
@group(0) @binding(2) var<storage, read>       v: array<vec4f>;
@group(0) @binding(3) var<storage, read>       y: array<vec4f>;
@group(0) @binding(4) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(5) var<storage, read>       lse: array<f32>;
@group(0) @binding(6) var<storage, read_write> grads: array<vec4f>;
@group(0) @binding(7) var<uniform>             params: Params;

var<workgroup> deltas: array<f32, TILE>;         // of a tile's queries

fn query_part(own: vec3u, lane: u32) {
  let query = min(own.z + lane, params.Lq - 1u); // threads past the end do as the last one and store nothing
  let at = token(params.q, own.x, own.y, query);
  let back = token(params.y, own.x, own.y, query);
  // @registers
  var row: array<vec4f, DV>;
  // @registers
  var grad: array<vec4f, DV>;
  // @registers
  var sum: array<vec4f, DV>;
  var product = vec4f();
  // @unroll
  for (var d = 0u; d < DV; d++) {
    row[d] = params.scale * q[at + d];
    grad[d] = dy[back + d];
    product = fma(grad[d], y[back + d], product);
  }
  let delta = total(product);
  let norm = lse[(own.x * params.heads + own.y) * params.Lq + query];

  for (var k0 = 0u; k0 < params.Lk; k0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * DV; i += WORKGROUP) {
      let key = min(k0 + i / DV, params.Lk - 1u);
      first_tile[i] = k[token(params.k, own.x, own.y, key) + i % DV];
      second_tile[i] = v[token(params.v, own.x, own.y, key) + i % DV];
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, params.Lk - k0); j++) {
      var logit = vec4f();
      var slope = vec4f();
      // @unroll
      for (var d = 0u; d < DV; d++) {
        logit = fma(row[d], first_tile[j * DV + d], logit);
        slope = fma(grad[d], second_tile[j * DV + d], slope);
      }
      let dA = exp(total(logit) - norm) * (total(slope) - delta);
      // @unroll
      for (var d = 0u; d < DV; d++) { sum[d] = fma(vec4f(dA), first_tile[j * DV + d], sum[d]); }
    }
  }

  if (own.z + lane >= params.Lq) { return; }
  // @unroll
  for (var d = 0u; d < DV; d++) { grads[token(params.dq, own.x, own.y, query) + d] = params.scale * sum[d]; }
}

fn key_part(own: vec3u, lane: u32) {
  let key = min(own.z + lane, params.Lk - 1u);   // threads past the end do as the last one and store nothing
  let map = (own.x * params.heads + own.y) * params.Lq;
  // @registers
  var key_row: array<vec4f, DV>;
  // @registers
  var value_row: array<vec4f, DV>;
  // @registers
  var key_sum: array<vec4f, DV>;
  // @registers
  var value_sum: array<vec4f, DV>;
  // @unroll
  for (var d = 0u; d < DV; d++) {
    key_row[d] = params.scale * k[token(params.k, own.x, own.y, key) + d];
    value_row[d] = v[token(params.v, own.x, own.y, key) + d];
  }

  for (var q0 = 0u; q0 < params.Lq; q0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * DV; i += WORKGROUP) {
      let query = min(q0 + i / DV, params.Lq - 1u);
      first_tile[i] = q[token(params.q, own.x, own.y, query) + i % DV];
      second_tile[i] = dy[token(params.y, own.x, own.y, query) + i % DV];
    }
    if (lane < TILE) {
      let back = token(params.y, own.x, own.y, min(q0 + lane, params.Lq - 1u));
      var product = vec4f();
      for (var d = 0u; d < DV; d++) { product = fma(dy[back + d], y[back + d], product); }
      deltas[lane] = total(product);
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, params.Lq - q0); j++) {
      var logit = vec4f();
      var slope = vec4f();
      // @unroll
      for (var d = 0u; d < DV; d++) {
        logit = fma(key_row[d], first_tile[j * DV + d], logit);
        slope = fma(value_row[d], second_tile[j * DV + d], slope);
      }
      let p = exp(total(logit) - lse[map + q0 + j]);
      let dA = p * (total(slope) - deltas[j]);
      // @unroll
      for (var d = 0u; d < DV; d++) {
        key_sum[d] = fma(vec4f(dA), first_tile[j * DV + d], key_sum[d]);
        value_sum[d] = fma(vec4f(p), second_tile[j * DV + d], value_sum[d]);
      }
    }
  }

  if (own.z + lane >= params.Lk) { return; }
  // @unroll
  for (var d = 0u; d < DV; d++) {
    grads[token(params.dk, own.x, own.y, key) + d] = params.scale * key_sum[d];
    grads[token(params.dv, own.x, own.y, key) + d] = value_sum[d];
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * grid.x + group.x;
  let queries = params.items * params.heads * ((params.Lq + WORKGROUP - 1u) / WORKGROUP);
  if (index < queries) {                         // the same for all threads, so the barriers are safe
    query_part(owner(index, params.Lq), lane);
    return;
  }
  let own = owner(index - queries, params.Lk);
  if (own.x < params.items) { key_part(own, lane); }
}
