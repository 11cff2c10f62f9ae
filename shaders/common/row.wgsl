// row            one number from the components of T, which is vec4f or f32
//
// Needs          alias T

const SHARE: f32 = 1.0;          // 0.25 where T is f32: vec4f(v) then holds four copies of v

fn across_sum(v: T) -> f32 { let f = SHARE * vec4f(v); return (f.x + f.y) + (f.z + f.w); }

fn across_max(v: T) -> f32 { let f = vec4f(v); return max(max(f.x, f.y), max(f.z, f.w)); }
