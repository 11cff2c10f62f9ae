// The VQGAN against the authors' one: latents, codes, images, and at the small size the loss with its gradients.

import { add } from "../../engine/ops/binary.js";
import { l1 } from "../../engine/ops/loss.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { VqGan, type VqGanConfig } from "../../models/vqgan.js";
import { type Golden, loadGolden, relativeError } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";
import { against, floats, goldenNet, gradProbes, integers, once, probeCases, WHOLE } from "./nets.js";

function netOf(golden: Golden): Promise<VqGan> {
  const ddconfig = golden.json<Omit<VqGanConfig, "embed_dim" | "n_embed">>("ddconfig");
  const n_embed = golden.number("n_embed");
  const embed_dim = Number(golden.file.metadata.get("embed_dim") ?? ddconfig.z_channels);
  const key = `vqgan ${golden.tag} ${n_embed} ${golden.meta("ddconfig")}`;
  return goldenNet(key, golden, "", () => new VqGan({ ...ddconfig, n_embed, embed_dim }));
}

const upload = (golden: Golden, name: string): Tensor => tensor(golden.values(name), golden.shape(name));

/** The value of the file's tensor `name`, from the file's image, or from its latent where the file holds one to start from. */
async function forward(golden: Golden): Promise<Record<string, Float32Array>> {
  const net = await netOf(golden);
  return scope(async () => {
    const out = noGrad(() => {
      const latent = net.encode(upload(golden, "image"));
      const z = golden.has("z") ? upload(golden, "z") : latent;
      const { zq, codebookLoss, indices } = net.quantise(z);
      const decoded = net.decode(z);
      const plain: Record<string, Tensor> = golden.has("decoded_not_quantized")
        ? { decoded_not_quantized: net.decodeCodes(z) }
        : {};
      return {
        latent,
        quantized: zq,
        codebook_loss: codebookLoss,
        indices,
        decoded,
        reconstruction: decoded,
        ...plain,
      };
    });
    const values: Record<string, Float32Array> = {};
    for (const [name, value] of Object.entries(out)) values[name] = await floats(value);
    return values;
  });
}

/** mean |reconstruction - image| + codebook loss: its value and the probes of its gradients. */
async function training(golden: Golden) {
  const net = await netOf(golden);
  return scope(async () => {
    const image = upload(golden, "image");
    const { zq, codebookLoss } = net.quantise(net.encode(image));
    const loss = add(l1(net.decodeCodes(zq), image), codebookLoss);
    backward(loss);
    return { loss: await floats(loss), probes: await gradProbes(net) };
  });
}

function cases(file: string): ParityCase[] {
  const golden = loadGolden(file);
  const all = once(() => forward(golden));
  const names = golden.names(/^(latent|quantized|codebook_loss|reconstruction|decoded(_not_quantized)?)$/);
  const indices: ParityCase = {
    file,
    case: "indices",
    allowed: 0, // codes are right or wrong
    run: async () => relativeError((await all()).indices!, integers(golden, "indices")),
  };
  return [...names.map((name) => against(golden, file, name, async () => (await all())[name]!, WHOLE)), indices];
}

parity("vq_small", async () => {
  const golden = loadGolden("vq_small");
  const trained = once(() => training(golden));
  return [
    ...cases("vq_small"),
    against(golden, "vq_small", "loss", async () => (await trained()).loss),
    ...probeCases(golden, "vq_small", "grad_probe/", async () => (await trained()).probes),
  ];
});

parity("vq_full", async () => cases("vq_full"));
