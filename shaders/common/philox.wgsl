// Philox 4x32-10: four random words from a 128-bit counter and a 64-bit key (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3"). Twin: engine/random.ts, the same integers bit for bit.
//
// Counter: (block index, 0, 0, 0). The last word belongs to engine/random.ts, where 0 means "an array".

const PHILOX_M0: u32 = 0xd2511f53u;
const PHILOX_M1: u32 = 0xcd9e8d57u;
const PHILOX_W0: u32 = 0x9e3779b9u;
const PHILOX_W1: u32 = 0xbb67ae85u;

// High 32 bits of a * b. WGSL has no wide multiply, so: 16-bit limbs, whose partial sums fit 32 bits.
fn mul_high(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let cross = a_high * b_low + ((a_low * b_low) >> 16u);    // at most (2^16 - 1)^2 + 2^16 - 2 < 2^32
  let middle = a_low * b_high + (cross & 0xffffu);          // likewise
  return a_high * b_high + (cross >> 16u) + (middle >> 16u);
}

fn philox4x32(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high_0 = mul_high(PHILOX_M0, c.x);
    let high_1 = mul_high(PHILOX_M1, c.z);
    c = vec4u(high_1 ^ c.y ^ k.x, PHILOX_M1 * c.z, high_0 ^ c.w ^ k.y, PHILOX_M0 * c.x);
    k += vec2u(PHILOX_W0, PHILOX_W1);
  }
  return c;
}

// A word as a number in [0, 1): the top 24 bits, so that the f32 is exact and never 1.
fn to_uniform(word: u32) -> f32 {
  return f32(word >> 8u) * 0x1p-24f;
}
