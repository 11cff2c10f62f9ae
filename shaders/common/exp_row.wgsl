// exp_row        exp(d), d what lies below the maximum of a row; d itself where part of it is NaN, so that the row's sum is NaN too
//
// Why            SwiftShader gives exp(NaN) = inf (exp_log.wgsl): in a row with one NaN all other results would look sound.
// Needs          alias T, vec4f or f32
//
// @import common/exp_log.wgsl

fn exp_row(d: T) -> T { return select(exp(d), d, any(is_nan4(vec4f(d)))); }
