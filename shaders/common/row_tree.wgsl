// row_tree       a row a workgroup, for GPUs: thread `lane` walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours
//
// Needs          alias T; const WORKGROUP: u32, a power of two
// Other form     row_thread.wgsl
//
// @import common/reduce.wgsl
// @import common/row.wgsl

/** The first column of a thread, and how far the next one is. */
fn column_of(lane: u32) -> u32 { return lane; }
fn stride() -> u32 { return WORKGROUP; }

/** The sum over the row of what each thread has summed; the same for all of them. */
fn row_sum(v: T, lane: u32) -> f32 { return workgroup_sum(across_sum(v), lane); }
