// matmul_broadcast   o[n, m] = alpha sum_k p[n, k] q[m, k]  (+ bias of the output's contiguous dimension)
//                    for software adapters: a different vec4f in every lane, spread in registers by broadcast
//
// Shapes         per grid z, with leading dimensions ld_p, ld_q, ld_o (elements from one row to the next):
//                p: (N, K), or (K, N) unless P_K    q: (M, K), or (K, M) unless Q_K    o: (N, M), or (M, N) unless O_M
//                y = x w^T: p = x, q = w, P_K, Q_K, O_M.     dx = dy w: p = dy, q = w, P_K, !Q_K, O_M.
//                dw = dy^T x: p = x, q = dy, !P_K, !Q_K, !O_M.
//                The contiguous dimension of each operand, every leading dimension, start and stride: multiples of 4.
//                K: a multiple of KU. M and N are free where they are not contiguous.
// Batch          z = batch * heads + head; each operand starts at start + batch * batch_stride + head * head_stride:
//                a head is a slice of channels, without a copy.
// One workgroup  is one subgroup of SG lanes and owns RM rows of M by 4 * CN * SG columns of N, at one z.
// One thread     owns 4 * CN columns of N, all RM rows. It loads its own columns of p; q is loaded a row (or vec4f) a
//                lane and reaches the others by broadcast or swap: a load is a gather of some 200 instructions here.
// Traffic        p M / RM times, q N / (4 CN SG) times, o once.
// Numerics       f32, k in order: same input, same bits. Past the edge the last row or column repeats, never stored.
// Gradient       itself, as above       Host  engine/ops/gemm_plan.ts

enable subgroups;

const SG: u32 = 4u;              // lanes of a subgroup
const RM: u32 = 16u;             // rows of M a workgroup, a multiple of 4
const CN: u32 = 1u;              // vec4f columns of N a thread
const KU: u32 = 2u;              // k's a turn: a variable carried round the loop is spilled once a turn
const P_K: bool = true;          // k is contiguous in p
const Q_K: bool = true;          // k is contiguous in q
const O_M: bool = true;          // m is contiguous in o
const SWAP: bool = false;        // SG 4, RM 16: q reaches the other lanes by swaps, its rows in another order in each lane
const WRITTEN_OUT: bool = true;  // sums in variables; else in arrays, and a loop stores them: a fraction of the code
alias P_VEC = vec2f;             // one load of p: KU wide if P_K, else vec4f
alias Q_VEC = vec2f;             // one load of q: KU wide if Q_K, else vec4f
const P_WIDTH: u32 = 2u;         // elements of P_VEC, of Q_VEC
const Q_WIDTH: u32 = 2u;

const QV: u32 = RM / 4u;                         // !Q_K: vec4f's of q for one k,
const LOADS: u32 = (QV * KU + SG - 1u) / SG;     // and loads that bring those of KU k's, one a lane
const ROWS: u32 = (RM + SG - 1u) / SG;           // Q_K: loads that bring KU k's of RM rows, one a lane

struct Params {
  M: u32, N: u32, K: u32, heads: u32,
  ld_p: u32, ld_q: u32, ld_o: u32, alpha: f32,
  start: vec4u, batch_stride: vec4u, head_stride: vec4u,   // p, q, o, bias: elements
  has_bias: u32,                 // 1, or 0: the binding is another tensor
}

@group(0) @binding(0) var<storage, read>       p: array<P_VEC>;
@group(0) @binding(1) var<storage, read>       q: array<Q_VEC>;
@group(0) @binding(2) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(4) var<uniform>             params: Params;

// A whole vec4f where the operand is read four wide; the other branch never calls it.
fn wide_p(v: P_VEC) -> vec4f { return vec4f(v[0], v[1], v[2u % P_WIDTH], v[3u % P_WIDTH]); }
fn wide_q(v: Q_VEC) -> vec4f { return vec4f(v[0], v[1], v[2u % Q_WIDTH], v[3u % Q_WIDTH]); }

fn bias_at(place: u32) -> vec4f {
  if (params.has_bias == 0u) { return vec4f(); }
  return bias[place / 4u];
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * grid.x + group.x;
  let m_tiles = (params.M + RM - 1u) / RM;
  let m0 = tile % m_tiles * RM;
  let n_tile = tile / m_tiles * (4u * CN * SG);
  if (n_tile >= params.N) { return; }
  let n0 = n_tile + lane * (4u * CN);
  let base = params.start + group.z / params.heads * params.batch_stride + group.z % params.heads * params.head_stride;
  // Where this lane reads in the first turn: in P_VEC's, Q_VEC's.
  // @registers
  var at_p: array<u32, 4u * CN>;
  // @registers
  var at_q: array<u32, ROWS + LOADS>;
  if (P_K) {
    // @unroll
    for (var j = 0u; j < 4u * CN; j++) { at_p[j] = (base.x + min(n0 + j, params.N - 1u) * params.ld_p) / KU; }
  } else {
    // @unroll
    for (var j = 0u; j < CN; j++) { at_p[j] = (base.x + min(n0 + 4u * j, params.N - 4u)) / 4u; }
  }
  if (Q_K) {
    // @unroll
    for (var i = 0u; i < ROWS; i++) { at_q[i] = (base.y + min(m0 + ROWS * lane + i, params.M - 1u) * params.ld_q) / KU; }
  } else {
    // @unroll
    for (var i = 0u; i < LOADS; i++) {
      let v = SG * i + lane;     // vec4f v % QV of the k after v / QV
      at_q[i] = (base.y + v / QV % KU * params.ld_q + min(m0 + v % QV * 4u, params.M - 4u)) / 4u;
    }
  }

  // c[e][g * CN + j]: row m0 + 4g + e, columns n0 + 4j ..; one more, as Mesa unrolls a loop that walks a whole array
  // @registers
  // @registers WRITTEN_OUT
  var c: array<array<vec4f, QV * CN + 1u>, 4u>;
  // From turn to turn, in p and in q: two variables carried round the loop, in the place of one for each load.
  let step = select(KU * vec2u(params.ld_p, params.ld_q) / 4u, vec2u(1u), vec2<bool>(P_K, Q_K));
  var far = vec2u();
  let turns = params.K / KU;                     // not in the loop: a division is slow on SwiftShader
  for (var turn = 0u; turn < turns; turn++) {
    // @registers
    var b: array<vec4f, CN * KU>;                // b[j * KU + t]: columns n0 + 4j .., k = turn KU + t
    if (P_K) {
      // @unroll
      for (var j = 0u; j < CN; j++) {
        let v0 = p[at_p[4u * j] + far.x];
        let v1 = p[at_p[4u * j + 1u] + far.x];
        let v2 = p[at_p[4u * j + 2u] + far.x];
        let v3 = p[at_p[4u * j + 3u] + far.x];
        // @unroll
        for (var t = 0u; t < KU; t++) { b[j * KU + t] = vec4f(v0[t], v1[t], v2[t], v3[t]); }
      }
    } else {
      // @unroll
      for (var j = 0u; j < CN; j++) {
        // @unroll
        for (var t = 0u; t < KU; t++) { b[j * KU + t] = wide_p(p[at_p[j] + far.x + t * (params.ld_p / 4u)]); }
      }
    }
    // @registers
    var w: array<vec4f, ROWS + LOADS>;
    if (Q_K) {
      // @unroll
      for (var i = 0u; i < ROWS; i++) { w[i] = wide_q(q[at_q[i] + far.y]); }
    } else {
      // @unroll
      for (var i = 0u; i < LOADS; i++) { w[i] = wide_q(q[at_q[i] + far.y]); }
    }
    // @unroll
    for (var i = 0u; i < RM; i++) {
      // @registers
      var a: array<f32, KU>;                     // a[t]: row m0 + i (if SWAP: i ^ 4 lane), k = turn KU + t
      // @unroll
      for (var t = 0u; t < KU; t++) {
        if (Q_K) { a[t] = w[i % ROWS][t]; } else { a[t] = w[(t * QV + i / 4u) / SG][i % 4u]; }
        if (SWAP) {
          a[t] = subgroupShuffleXor(a[t], i / 4u % SG);
        } else if (Q_K) {
          a[t] = subgroupShuffle(a[t], i / ROWS);
        } else {
          a[t] = subgroupShuffle(a[t], (t * QV + i / 4u) % SG);
        }
      }
      // @unroll
      for (var j = 0u; j < CN; j++) {
        var sum = c[i % 4u][i / 4u * CN + j];
        // @unroll
        for (var f = 0u; f < 4u; f++) {          // a component to its end: its sum stays in a register
          // @unroll
          for (var t = 0u; t < KU; t++) { sum[f] = fma(b[j * KU + t][f], a[t], sum[f]); }
        }
        c[i % 4u][i / 4u * CN + j] = sum;
      }
    }
    far += step;
  }

  // @unroll WRITTEN_OUT
  for (var i = 0u; i < QV * CN; i++) {
    let m = m0 + 4u * select(i / CN, (i / CN) ^ lane, SWAP);
    let n = n0 + i % CN * 4u;
    if (O_M) {
      if (m < params.M) {
        let more = bias_at(base.w + m);
        // @unroll
        for (var e = 0u; e < 4u; e++) {
          let sum = vec4f(c[0u][i][e], c[1u][i][e], c[2u][i][e], c[3u][i][e]);
          if (n + e < params.N) { o[(base.z + (n + e) * params.ld_o + m) / 4u] = params.alpha * sum + more; }
        }
      }
    } else if (n < params.N) {
      let more = bias_at(base.w + n);
      // @unroll
      for (var e = 0u; e < 4u; e++) {
        if (m + e < params.M) { o[(base.z + (m + e) * params.ld_o + n) / 4u] = params.alpha * c[e][i] + more; }
      }
    }
  }
}
