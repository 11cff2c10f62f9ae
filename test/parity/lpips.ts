// LPIPS over VGG16 against the authors' one: distances, the terms of the five layers, and the gradient by the second image.

import { add } from "../../engine/ops/binary.js";
import { cat } from "../../engine/ops/cat.js";
import { reshape } from "../../engine/ops/layout.js";
import { sum } from "../../engine/ops/reduce.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { loadGolden } from "../golden.js";
import { parity } from "./cases.js";
import { goldenLpips } from "./hashed-net.js";
import { against, floats, once } from "./nets.js";

const FILE = "lpips_vgg";

parity(FILE, async () => {
  const golden = loadGolden(FILE);
  const all = once(async () => {
    const net = await goldenLpips(golden);
    const b = tensor(golden.values("b"), golden.shape("b")).requiresGrad("b");
    const values = await scope(async () => {
      const a = tensor(golden.values("a"), golden.shape("a"));
      const layers = net.layers(net.features(a), net.features(b));
      const distance = layers.reduce((total, layer) => add(total, layer));
      backward(sum(distance));
      const perLayer = cat(
        layers.map((layer) => reshape(layer, [a.dim(0), 1])),
        1,
      );
      return {
        distance: await floats(distance),
        per_layer: await floats(perLayer),
        grad_b: await floats(b.grad!),
        whole: await floats(net.forward(a, b)),
      };
    });
    b.grad?.dispose();
    b.dispose();
    net.dispose();
    return values;
  });
  return [
    ...(["distance", "per_layer", "grad_b"] as const).map((name) =>
      against(golden, FILE, name, async () => (await all())[name]),
    ),
    { ...against(golden, FILE, "distance", async () => (await all()).whole), case: "distance, in one call" },
  ];
});
