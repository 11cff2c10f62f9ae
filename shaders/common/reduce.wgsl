// reduce         one value from every thread of a workgroup to one value that all of them have
//
// Needs          const WORKGROUP: u32, the workgroup's size: any number of 1 or more
// Order          a tree with a fixed shape: the same input gives the same bits.
// Uniform        the result comes from workgroupUniformLoad: it may guard barriers, and the scratch is free again after it.

var<workgroup> scratch: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  scratch[lane] = value;
  for (var width = WORKGROUP; width > 1u;) {
    let half = (width + 1u) / 2u;                // the middle one of an odd number waits for the next round
    workgroupBarrier();
    if (lane + half < width) { scratch[lane] += scratch[lane + half]; }
    width = half;
  }
  return workgroupUniformLoad(&scratch[0]);
}

fn workgroup_max(value: f32, lane: u32) -> f32 {
  scratch[lane] = value;
  for (var width = WORKGROUP; width > 1u;) {
    let half = (width + 1u) / 2u;
    workgroupBarrier();
    if (lane + half < width) { scratch[lane] = max(scratch[lane], scratch[lane + half]); }
    width = half;
  }
  return workgroupUniformLoad(&scratch[0]);
}
