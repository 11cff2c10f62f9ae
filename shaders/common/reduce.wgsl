// reduce         one value from every thread of a workgroup to one value that all of them have
//
// Needs          const WORKGROUP: u32, the workgroup's size: a power of two
// Order          a tree with a fixed shape: the same input gives the same bits.
// Uniform        the result comes from workgroupUniformLoad: it may guard barriers, and the scratch is free again after it.

var<workgroup> scratch: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  scratch[lane] = value;
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { scratch[lane] += scratch[lane + half]; }
  }
  return workgroupUniformLoad(&scratch[0]);
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
  scratch[lane] = value;
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { scratch[lane] = max(scratch[lane], scratch[lane + half]); }
  }
  return workgroupUniformLoad(&scratch[0]);
}
