// A net that predicts v, and the noise that the rest of the code speaks of.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { noGrad } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { unets } from "../../models/configs.js";
import { linear } from "../../models/schedule.js";
import { UNet } from "../../models/unet.js";
import { noiseFromVelocity } from "../../models/velocity.js";

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const shape = [3, 3, 4, 4];
const t = [0, 500, 980]; // hardly any noise, both, hardly any image
const { sqrtAlphaBars: a, sqrtOneMinusAlphaBars: s } = linear();
const each = (make: (i: number, t: number) => number) =>
  Float32Array.from({ length: 3 * 48 }, (_, i) => make(i, t[Math.floor(i / 48)]!));

test("v of an image and its noise gives the noise back, each row at its own t", async () => {
  const [x0, eps] = [random(1, "x0").normals(3 * 48), random(1, "noise").normals(3 * 48)];
  const x = each((i, t) => a[t]! * x0[i]! + s[t]! * eps[i]!);
  const v = each((i, t) => a[t]! * eps[i]! - s[t]! * x0[i]!);
  const got = await scope(() => noiseFromVelocity(tensor(v, shape), tensor(x, shape), t).read());
  for (let i = 0; i < eps.length; i++) expect(got[i]).toBeCloseTo(eps[i]!, 5);
});

test("a fresh net says v = 0: the noise is then x itself, as far as it is noise", async () => {
  const unet = new UNet({ ...unets.tiny, predicts: "v" }).init(0);
  const x = Float32Array.from(random(2, "x").normals(3 * 48));
  const got = await scope(() => noGrad(() => unet.forward(tensor(x, shape), t, null).read()));
  for (let i = 0; i < x.length; i++) expect(got[i]).toBeCloseTo(s[t[Math.floor(i / 48)]!]! * x[i]!, 5);
  unet.dispose();
});
