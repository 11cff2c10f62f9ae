// draw_face      pictures of drawn people: a head as a signed distance field, ray-marched, lit, before a background
//
// Shapes         faces: N records of 148 floats (common/face_struct.wgsl, data/faces.ts)
//                y: (N, 3, S, S), sRGB in [-1, 1]
// One workgroup  owns WORKGROUP neighbouring pixels; groups past 65,535 fold into the second grid dimension.
// One thread     draws one pixel of one face from SAMPLES x SAMPLES rays.
// Traffic        592 bytes read and 12 written a pixel; all the rest is arithmetic.
// Numerics       the builtins' sin, cos, atan2 and exp: the same picture on the same adapter, nearly the same on
//                another. No smoothstep: it need not work with its edges swapped, so ramp() of sdf.wgsl.
// Gradient       none            Host  data/faces.ts            Twin  none: the test holds its statistics
//
// @import common/sdf.wgsl
// @import common/noise.wgsl
// @import common/face_struct.wgsl
// @import common/face_shape.wgsl
// @import common/face_hair.wgsl
// @import common/face_skin.wgsl
// @import common/face_shade.wgsl
// @import common/face_march.wgsl
// @import common/face_light.wgsl

const WORKGROUP: u32 = 64u;
const SAMPLES: u32 = 2u;         // rays along each side of a pixel
const HALF_HEIGHT: f32 = 1.12;   // of the picture at the head's middle, decimetres

struct Params { first: u32, count: u32, size: u32 }     // which faces; S

@group(0) @binding(0) var<storage, read>       faces: array<Face>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform>             params: Params;

var<private> face: Face;
var<private> rig: Rig;

/** Distance to the nearest thing, and which it is: 0 skin, 1 eye, 2 hair, 3 cloth, 4 cap, 5 spectacles. */
fn scene(p: vec3f) -> vec2f {
  let q = vec3f(fold(p.x), p.yz);
  var beard = 0.0;
  if (face.beard_length > 0.0) { beard = beard_relief(p, q); }
  let bent = vec3f(fold(p.x - face.nose_side * bump(p.y + face.nose_length, 0.2)), p.yz);
  var hit = vec2f(skin_distance(bent, p) - beard, 0.0);
  hit = nearer(hit, length(q - rig.eye) - rig.eye_radius, 1.0);
  hit = nearer(hit, cloth_distance(p), 3.0);
  var hair = hair_distance(p);
  if (face.cap_on > 0.5) {
    // hair above the cap's edge is pressed under it
    hair = max(hair, min(cap_dome(p) + 0.04, p.y - 0.47 - 0.10 * p.z));
    hit = nearer(hit, cap_distance(p), 4.0);
  }
  if (face.glasses > 0.0) { hit = nearer(hit, glasses_distance(q), 5.0); }
  return nearer(hit, hair, 2.0);
}

fn nearer(hit: vec2f, d: f32, what: f32) -> vec2f { return select(hit, vec2f(d, what), d < hit.x); }

/** Colour of what one ray sees. at: place in the picture, -1 to 1, y up. view: head axes to camera axes. */
fn trace(at: vec2f, view: mat3x3f) -> vec3f {
  let half = HALF_HEIGHT / face.zoom;
  let place = (at - vec2f(face.shift_x, face.shift_y)) * half;
  let dir = normalize(vec3f(place, -face.distance) * view);                    // v * M is transpose(M) v
  let origin = vec3f(0.0, 0.0, face.distance) * view + PIVOT;
  let hit = march(origin, dir);
  var color = background(at);
  if (hit.x > 0.0) { color = shade(hit.y, origin + dir * hit.x, dir, face.light * view, vec3f(0.0, 1.0, 0.0) * view); }

  if (face.glasses > 0.0) {                                                    // tinted glass with a pale reflection
    let p = origin + dir * ((LENS_Z - 0.04 - origin.z) / dir.z);
    let through = ramp(0.01, -0.01, lens_edge(vec2f(fold(p.x), p.y))) * step(dir.z, 0.0);
    let glare = 0.10 * ramp(0.06, 0.0, abs(fract((p.x + p.y) * 1.1 + face.capture_seed) - 0.5) - 0.10);
    color = mix(color, color * (1.0 - face.glasses_tint) + (0.02 + glare) * face.sky, through);
  }
  return color;
}

/** Rotation by yaw about y, then pitch about x, then roll about z. */
fn rotation(yaw: f32, pitch: f32, roll: f32) -> mat3x3f {
  let cy = cos(yaw);
  let sy = sin(yaw);
  let cp = cos(pitch);
  let sp = sin(pitch);
  let cr = cos(roll);
  let sr = sin(roll);
  let about_y = mat3x3f(vec3f(cy, 0.0, -sy), vec3f(0.0, 1.0, 0.0), vec3f(sy, 0.0, cy));
  let about_x = mat3x3f(vec3f(1.0, 0.0, 0.0), vec3f(0.0, cp, sp), vec3f(0.0, -sp, cp));
  let about_z = mat3x3f(vec3f(cr, sr, 0.0), vec3f(-sr, cr, 0.0), vec3f(0.0, 0.0, 1.0));
  return about_z * about_x * about_y;
}

/** What the face's numbers imply for every ray. */
fn set_rig(view: mat3x3f) {
  let radius = 0.125 * face.eye_size;
  rig.eye = vec3f(face.eye_distance, 0.0, 0.80 - 0.3 * face.eye_depth - radius);
  rig.eye_radius = radius;
  rig.chin_y = -face.face_length - 0.16 * face.mouth_open;
  rig.mouth_y = -face.face_length + face.mouth_height - 0.03 * face.mouth_open;
  rig.mouth_z = 0.925;
  rig.mouth_width = face.mouth_width * (1.0 + 0.20 * face.smile - 0.12 * face.mouth_open);
  rig.body = rotation(face.body_yaw, 0.0, 0.0) * view;
  let neck_top = vec3f(0.0, -0.60, -0.20);
  rig.neck_base = neck_top + vec3f(0.0, -0.95, -0.10) * rig.body;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let size = params.size;
  let pixels = size * size;
  let index = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (index >= params.count * pixels) { return; }
  let pixel = index % pixels;
  let number = params.first + index / pixels;
  face = faces[number];
  let view = rotation(face.yaw, face.pitch, face.roll);
  set_rig(view);

  let corner = vec2f(vec2u(pixel % size, pixel / size));
  var color = vec3f(0.0);
  for (var i = 0u; i < SAMPLES * SAMPLES; i++) {
    let cell = vec2f(vec2u(i % SAMPLES, i / SAMPLES));
    let sheared = (cell + (cell.yx + 0.5) / f32(SAMPLES)) / f32(SAMPLES) - 0.5;     // no two rays share a row or column
    let at = corner + 0.5 + sheared * (1.0 + face.blur);
    color += develop(trace((2.0 * at / f32(size) - 1.0) * vec2f(1.0, -1.0), view));
  }
  let from_middle = (corner + 0.5) / f32(size) * 2.0 - 1.0;
  color *= (1.0 - 0.5 * face.vignette * dot(from_middle, from_middle)) / f32(SAMPLES * SAMPLES);

  let first = number * 3u * pixels + pixel;
  for (var c = 0u; c < 3u; c++) {
    let grain = hash3(vec3i(i32(pixel), i32(c), i32(face.capture_seed * 65536.0))) +
      hash3(vec3i(i32(pixel), i32(c) + 3, i32(face.capture_seed * 65536.0))) - 1.0;
    y[first + c * pixels] = saturate(color[c] + 2.45 * face.noise * grain) * 2.0 - 1.0;    // variance of the sum: 1 / 6
  }
}
