// face_light     the colour of a surface in its light, the background, and the camera that takes both
//
// Needs          common/sdf.wgsl, common/face_struct.wgsl, common/face_shape.wgsl, common/face_skin.wgsl,
//                common/face_shade.wgsl (Surface), common/face_march.wgsl
// Colours        linear RGB, in head axes; the main light and the fill come from directions, sky and ground from up and down.

/** The material of part `what` (see scene) at p. */
fn surface_at(what: f32, p: vec3f, n: vec3f) -> Surface {
  let q = vec3f(fold(p.x), p.yz);
  if (what < 0.5) { return shade_skin(p, q, n); }
  if (what < 1.5) { return shade_eye(p, q); }
  if (what < 2.5) { return shade_hair(p, n); }
  if (what < 3.5) { return shade_cloth(p, n); }
  if (what < 4.5) { return Surface(face.cap * (0.85 + 0.15 * wave(60.0 * p.y)), 0.06, 8.0, 0.0, n); }
  return Surface(face.rim, 1.2, 60.0, 0.0, n);
}

/** Colour of a surface under the main light, a fill light, the sky and the ground. */
fn shade(what: f32, p: vec3f, dir: vec3f, light: vec3f, up: vec3f) -> vec3f {
  let n = normal_at(p);
  let s = surface_at(what, p, n);
  let open = openness(p, n);

  let wrap = s.scatter * vec3f(0.36, 0.16, 0.11);                            // red light travels farthest in skin
  let cosine = dot(s.normal, light);
  var shadow = 0.0;
  if (cosine > -wrap.x) { shadow = lit(p + 0.02 * n, light); }
  let shade = mix(vec3f(shadow), vec3f(sqrt(shadow)), s.scatter * vec3f(0.6, 0.1, 0.0));
  let direct = saturate((cosine + wrap) / (1.0 + wrap)) * shade;
  let fill_dir = normalize(reflect(-light, -dir) + 0.2 * up);
  let fill = saturate(0.5 + 0.5 * dot(s.normal, fill_dir)) * face.fill;
  let around = mix(vec3f(open), vec3f(sqrt(open)), s.scatter * vec3f(0.9, 0.4, 0.3));
  let ambient = mix(face.ground, face.sky, 0.5 + 0.5 * dot(s.normal, up)) * around;
  var color = s.albedo * (face.light_color * (direct + fill * open) + ambient);

  let facing = saturate(-dot(s.normal, dir));
  let fresnel = 0.04 + 0.22 * pow(1.0 - facing, 4.0);
  let half_way = normalize(light - dir);
  let highlight = pow(saturate(dot(s.normal, half_way)), s.sharp) * (s.sharp + 8.0) * 0.04;
  color += s.gloss * fresnel * open * open * (face.light_color * highlight * shadow + 0.35 * (face.sky + face.ground));
  if (what > 0.5 && what < 1.5) {                                              // a window mirrored in the eye
    let mirrored = reflect(dir, s.normal);
    let pane = normalize(-dir + 0.55 * up + 0.5 * light);
    color += ramp(0.955, 0.985, dot(mirrored, pane)) * (0.25 * face.light_color + 0.5 * face.sky);
  }
  return color;
}

/** A gradient with two soft discs. at: place in the picture, -1 to 1. */
fn background(at: vec2f) -> vec3f {
  let along = dot(at, vec2f(cos(face.back_angle), sin(face.back_angle)));
  var color = mix(face.back0, face.back1, ramp(-face.back_edge, face.back_edge, along));
  color = mix(color, face.blob0_color, face.blob0_amount * ramp(1.3, 0.7, length(at - face.blob0.xy) / face.blob0.z));
  return mix(color, face.blob1_color, face.blob1_amount * ramp(1.2, 0.8, length(at - face.blob1.xy) / face.blob1.z));
}

/** Exposure with a film's soft shoulder, linear to sRGB, saturation, contrast. */
fn develop(linear: vec3f) -> vec3f {
  let metered = pow(0.30 / dot(face.skin, vec3f(0.2, 0.7, 0.1)), 0.3);  // a camera opens up for dark skin
  var c = 1.0 - exp(-1.35 * face.exposure * metered * linear);
  c = select(1.055 * pow(c, vec3f(1.0 / 2.4)) - 0.055, 12.92 * c, c <= vec3f(0.0031308));
  let grey = dot(c, vec3f(0.299, 0.587, 0.114));
  return (mix(vec3f(grey), c, face.saturation) - 0.5) * face.contrast + 0.5;
}
