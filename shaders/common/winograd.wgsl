// Winograd's transforms of one line of TILE values, 4 for F(2) and 6 for F(4): y = AT ((G w) * (BT x)) are the TILE - 2 sums
// of three taps w along x. In two dimensions every matrix is applied down the columns and then along the rows.
//
// Needs          TILE
// Source         Lavin and Gray, arXiv:1509.09308. A row of the matrices belongs to a point: 0, 1, -1, infinity for F(2);
//                0, a, -a, b, -b, infinity for F(4), with a = 3/4, b = 3/2 in place of their 1, 2: the same operations, and
//                an error four times smaller (float32 against float64, 48 to 192 channels, 2026-11-24).
// Use            i is a constant once the loop around is written out; the other rows then fold away.

/** Row i of BT, times x. x4 and x5 count in F(4) alone. */
fn times_bt(i: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f) -> vec4f {
  var y = x0 - x2;
  if (TILE == 4u) {
    if (i == 1u) { y = x1 + x2; }
    if (i == 2u) { y = x2 - x1; }
    if (i == 3u) { y = x1 - x3; }
  } else {
    if (i == 0u) { y = 1.265625 * x0 - 2.8125 * x2 + x4; }                    // a^2 b^2, a^2 + b^2
    if (i == 1u) { y = (x4 - 2.25 * x2) + (0.75 * x3 - 1.6875 * x1); }        // b^2; a, a b^2
    if (i == 2u) { y = (x4 - 2.25 * x2) - (0.75 * x3 - 1.6875 * x1); }
    if (i == 3u) { y = (x4 - 0.5625 * x2) + (1.5 * x3 - 0.84375 * x1); }      // a^2; b, a^2 b
    if (i == 4u) { y = (x4 - 0.5625 * x2) - (1.5 * x3 - 0.84375 * x1); }
    if (i == 5u) { y = 1.265625 * x1 - 2.8125 * x3 + x5; }
  }
  return y;
}

/** Row i of AT, times x: one of the TILE - 2 outputs. */
fn times_at(i: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f) -> vec4f {
  var y = x0 + x1 + x2;
  if (TILE == 4u) {
    if (i == 1u) { y = x1 - x2 - x3; }
  } else {
    if (i == 0u) { y = x0 + (x1 + x2) + (x3 + x4); }
    if (i == 1u) { y = 0.75 * (x1 - x2) + 1.5 * (x3 - x4); }
    if (i == 2u) { y = 0.5625 * (x1 + x2) + 2.25 * (x3 + x4); }
    if (i == 3u) { y = 0.421875 * (x1 - x2) + 3.375 * (x3 - x4) + x5; }
  }
  return y;
}

/** Row i of A, the transpose of AT, times x. x2 and x3 count in F(4) alone. */
fn times_a(i: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> vec4f {
  var y = x0;
  if (TILE == 4u) {
    if (i == 1u) { y = x0 + x1; }
    if (i == 2u) { y = x0 - x1; }
    if (i == 3u) { y = -x1; }
  } else {
    if (i == 1u) { y = (x0 + 0.5625 * x2) + (0.75 * x1 + 0.421875 * x3); }
    if (i == 2u) { y = (x0 + 0.5625 * x2) - (0.75 * x1 + 0.421875 * x3); }
    if (i == 3u) { y = (x0 + 2.25 * x2) + (1.5 * x1 + 3.375 * x3); }
    if (i == 4u) { y = (x0 + 2.25 * x2) - (1.5 * x1 + 3.375 * x3); }
    if (i == 5u) { y = x3; }
  }
  return y;
}

// The factors of G for F(4): at a point p the row is (1, p, p^2), over the product of its distances to the other points.
const G_0: f32 = 64.0 / 81.0;
const G_A: f32 = -128.0 / 243.0;
const G_B: f32 = 32.0 / 243.0;

/** Row i of G, times x. */
fn times_g(i: u32, x0: vec4f, x1: vec4f, x2: vec4f) -> vec4f {
  var y = x2;
  if (TILE == 4u) {
    if (i == 0u) { y = x0; }
    if (i == 1u) { y = 0.5 * (x0 + x2 + x1); }
    if (i == 2u) { y = 0.5 * (x0 + x2 - x1); }
  } else {
    if (i == 0u) { y = G_0 * x0; }
    if (i == 1u) { y = G_A * (x0 + 0.5625 * x2 + 0.75 * x1); }
    if (i == 2u) { y = G_A * (x0 + 0.5625 * x2 - 0.75 * x1); }
    if (i == 3u) { y = G_B * (x0 + 2.25 * x2 + 1.5 * x1); }
    if (i == 4u) { y = G_B * (x0 + 2.25 * x2 - 1.5 * x1); }
  }
  return y;
}

/** Row i of the transpose of G, times x: one of three taps. */
fn times_gt(i: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f) -> vec4f {
  var y = 0.5 * (x1 - x2);
  if (TILE == 4u) {
    if (i == 0u) { y = x0 + 0.5 * (x1 + x2); }
    if (i == 2u) { y = 0.5 * (x1 + x2) + x3; }
  } else {
    if (i == 0u) { y = G_0 * x0 + G_A * (x1 + x2) + G_B * (x3 + x4); }
    if (i == 1u) { y = 0.75 * G_A * (x1 - x2) + 1.5 * G_B * (x3 - x4); }
    if (i == 2u) { y = 0.5625 * G_A * (x1 + x2) + 2.25 * G_B * (x3 + x4) + x5; }
  }
  return y;
}
