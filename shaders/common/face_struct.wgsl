// face_struct    all numbers that describe one picture of one drawn face
//
// Lengths        decimetres. Axes: x to the picture's right, y up, z out of the face; the origin lies between the eyes,
//                0.7 dm behind them. Angles in radians, colours linear RGB. Amounts without a unit run from 0 to 1.
// Host           data/faces.ts lists the same fields in the same order; its test compares the two through wgsl_reflect.

struct Face {
  // --- identity: the same in every picture of a person ---
  skin: vec3f,            // albedo
  blush: f32,             // redness of cheeks, nose and ears
  lips: vec3f,            // albedo
  gloss: f32,             // strength of the skin's highlights
  iris: vec3f,            // albedo
  freckles: f32,
  hair: vec3f,            // albedo
  grey: f32,              // share of grey strands
  skull: vec3f,           // half width, height and depth of the cranium
  wrinkles: f32,
  mole: vec3f,            // x, y on the face; radius (0: none)
  seed: f32,              // shifts freckles, strands and curls
  face_length: f32,       // eyes to chin
  jaw_width: f32,         // half width between the jaw's corners
  jaw_height: f32,        // of the jaw's corners above the chin
  chin_width: f32,        // half
  chin_forward: f32,
  cheekbones: f32,        // how far they stand out
  cheeks: f32,            // fullness
  brow_ridge: f32,
  eye_distance: f32,      // half the distance between the pupils
  eye_size: f32,          // 1 is usual
  eye_open: f32,          // height of the opening, 1 is usual
  eye_tilt: f32,          // outer corner up
  eye_depth: f32,         // of the sockets
  lid_crease: f32,        // depth of the fold above the eye
  lashes: f32,            // darkness
  brow_height: f32,       // above the eyes
  brow_thickness: f32,
  brow_angle: f32,        // slope, outwards up
  brow_arch: f32,
  brow_density: f32,
  nose_length: f32,       // eyes to base
  nose_width: f32,        // half
  nose_bridge: f32,       // how far the root stands out
  nose_bone: f32,         // radius of the ridge
  nose_out: f32,          // how far the tip stands out
  nose_tip: f32,          // radius
  nose_up: f32,           // tip above the base
  nose_hump: f32,
  nose_side: f32,         // tip beside the middle
  mouth_height: f32,      // above the chin
  mouth_width: f32,       // half
  upper_lip: f32,         // thickness
  lower_lip: f32,
  ear_size: f32,
  ear_out: f32,
  neck: f32,              // radius
  hair_top: f32,          // thickness above the skull
  hair_side: f32,
  hair_length: f32,       // how far it hangs below the cranium's middle
  hair_front: f32,        // z where the hair beside the face ends: -0.3 behind the ears, 0.3 before them
  hair_back: f32,         // z where the hair on top of the head ends: 0.5 usual, -0.8 only a wreath is left
  hairline: f32,          // height of its middle above the eyes
  hairline_drop: f32,     // how fast it falls to the sides
  hairline_temple: f32,   // bays beside the middle
  hair_edge: f32,         // width of the hairline's slope: small for a fringe, wide for hair combed back
  hair_part: f32,         // x of the parting
  hair_part_depth: f32,
  hair_curl: f32,         // 0 straight, 1 curled
  hair_bun: f32,          // radius of a knot on top (0: none)
  beard: f32,             // density on cheeks and chin
  moustache: f32,
  beard_length: f32,      // thickness

  // --- capture: this picture ---
  yaw: f32,
  pitch: f32,
  roll: f32,
  body_yaw: f32,
  distance: f32,          // camera to head
  zoom: f32,              // 1 is usual
  shift_x: f32,           // in half pictures
  shift_y: f32,
  light: vec3f,           // unit vector towards the main light, camera axes
  fill: f32,              // light from the other side, share of the main light
  light_color: vec3f,     // colour times strength
  exposure: f32,
  sky: vec3f,             // ambient light from above
  contrast: f32,
  ground: vec3f,          // ambient light from below
  saturation: f32,
  back0: vec3f,           // background: gradient from back0 to back1 ...
  back_angle: f32,
  back1: vec3f,
  back_edge: f32,         // width of that gradient
  blob0: vec3f,           // ... with two soft discs: centre and radius in half pictures
  blob0_amount: f32,
  blob0_color: vec3f,
  blob1_amount: f32,
  blob1: vec3f,
  smile: f32,             // -0.4 sad to 1
  blob1_color: vec3f,
  mouth_open: f32,
  cloth: vec3f,
  brow_raise: f32,
  rim: vec3f,             // spectacles
  glasses: f32,           // thickness of the rim (0: none)
  cap: vec3f,
  cap_on: f32,            // 0 none, 1 worn
  cap_brim: f32,          // length of the brim (0: a woollen cap)
  glasses_shape: f32,     // 0 round to 1 square
  glasses_tint: f32,
  eye_close: f32,
  gaze_x: f32,            // radians, to the picture's right
  gaze_y: f32,
  collar: f32,            // height of the clothes at the neck
  blur: f32,              // widens the sampling pattern, pixels
  noise: f32,             // standard deviation of the sensor's noise
  capture_seed: f32,
  vignette: f32,          // darkening of the corners
  squint: f32,            // lower lids raised
}
