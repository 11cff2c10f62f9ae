// conv_depth     the taps of a convolution that an output pixel meets, and the depth of its implicit matrix: taps x channels of K
//
// Needs          const TRANSPOSED: bool; params.kernel, stride, pad, K

// The window of one z: `taps` of the kernel, `first`, first + step, ...; TRANSPOSED walks backwards through x.
struct Window { first: vec2u, step: vec2u, taps: vec2u }

fn window(remainder: vec2u) -> Window {
  if (!TRANSPOSED) { return Window(vec2u(), vec2u(1u), params.kernel); }
  let first = (remainder + params.pad) % params.stride;
  let taps = (max(params.kernel, first) - first + params.stride - 1u) / params.stride;
  return Window(first, params.stride, select(taps, vec2u(0u, 1u), any(taps == vec2u())));
}

// A place in the depth: number (row, column) of a tap in the window, and a channel of K.
struct Depth { tap: vec2u, k: u32 }

fn depth_at(index: u32, taps: vec2u) -> Depth {
  let tap = index / params.K;
  return Depth(vec2u(tap / taps.y, tap % taps.y), index % params.K);
}

fn deeper(at: Depth, by: u32, taps: vec2u) -> Depth {
  var d = at;
  d.k += by;
  while (d.k >= params.K) {                      // at most once if K >= TK
    d.k -= params.K;
    d.tap.y += 1u;
    if (d.tap.y == taps.y) { d.tap = vec2u(d.tap.x + 1u, 0u); }
  }
  return d;
}
