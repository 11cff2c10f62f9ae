// row_thread     a row a thread, for software adapters, which have no use for workgroup memory
//
// Needs          alias T
// Other form     row_tree.wgsl, which has functions of the same names
//
// @import common/row.wgsl

fn column_of(lane: u32) -> u32 { return 0u; }
fn stride() -> u32 { return 1u; }

fn row_sum(v: T, lane: u32) -> f32 { return across_sum(v); }
