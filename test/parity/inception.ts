// Inception-v3 against torchvision's: pooled features, logits, the results of stages as probes, and an image that is resized first.

import { scope } from "../../engine/scope.js";
import { noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { Inception, isInceptionTap } from "../../models/inception.js";
import { type Golden, hashed, loadGolden, probe } from "../golden.js";
import { parity } from "./cases.js";
import { filled, hashedValue } from "./hashed-net.js";
import { against, floats, once } from "./nets.js";

const FILE = "inception";

/** "hashed(TAG+inception.image,(2,3,299,299)), network input as is ..." */
function image(golden: Golden): Tensor {
  const [, name, dims] = /hashed\(TAG\+([\w.]+),\(([\d,]+)\)\)/.exec(golden.meta("input"))!;
  const shape = dims!.split(",").map(Number);
  return tensor(hashed(golden.tag + name, shape), shape);
}

/** Norm and dot product of every image of a batch. */
function probes(name: string, values: Float32Array, batch: number): number[] {
  const size = values.length / batch;
  return Array.from({ length: batch }, (_, b) => probe(name, values.subarray(b * size, (b + 1) * size))).flat();
}

parity(FILE, async () => {
  const golden = loadGolden(FILE);
  const taps = golden.names(/^tap_probe\//).map((name) => name.slice("tap_probe/".length));
  const known = taps.filter(isInceptionTap);
  const all = once(async () => {
    const classes = golden.shape("logits")[1]!;
    const net = await filled(new Inception(classes), hashedValue(golden, "weights"));
    const values = await scope(async () => {
      const x = image(golden);
      const resized = tensor(golden.values("resized_input"), golden.shape("resized_input"));
      const { features, tapped } = noGrad(() => net.run(x, known));
      const tapProbes = new Map<string, number[]>();
      for (const [i, name] of known.entries()) tapProbes.set(name, probes(name, await floats(tapped[i]!), x.dim(0)));
      return {
        features: await floats(features),
        logits: await floats(noGrad(() => net.classify(features))),
        resized_features: await floats(noGrad(() => net.features(resized))),
        tapProbes,
      };
    });
    net.dispose();
    return values;
  });
  return [
    ...(["features", "logits", "resized_features"] as const).map((name) =>
      against(golden, FILE, name, async () => (await all())[name]),
    ),
    ...taps.map((name) =>
      against(golden, FILE, `tap_probe/${name}`, async () => {
        const got = (await all()).tapProbes.get(name);
        if (!got) throw new Error(`there is no stage ${name}`);
        return got;
      }),
    ),
  ];
});
