// One step of VQGAN's two-sided training against the authors' code: the autoencoder's losses with LPIPS and the adaptive weight,
// the discriminator's, gradients of both, and the running statistics that three passes leave.

import { scope } from "../../engine/scope.js";
import { tensor } from "../../engine/tensor.js";
import { Discriminator } from "../../models/discriminator.js";
import { discriminatorStep, generatorStep } from "../../models/gan_loss.js";
import { VqGan, type VqGanConfig } from "../../models/vqgan.js";
import { type Golden, loadGolden, paramValue } from "../golden.js";
import { parity } from "./cases.js";
import { filled, goldenLpips, hashedValue } from "./hashed-net.js";
import { against, floats, gradProbes, once, probeCases } from "./nets.js";

const FILE = "gan_small";

async function netsOf(golden: Golden) {
  const ddconfig = golden.json<Omit<VqGanConfig, "embed_dim" | "n_embed">>("ddconfig");
  const n_embed = golden.number("n_embed");
  const embed_dim = Number(golden.file.metadata.get("embed_dim") ?? ddconfig.z_channels);
  const ndf = golden.number("ndf");
  const vqgan = new VqGan({ ...ddconfig, n_embed, embed_dim });
  return {
    vqgan: await filled(vqgan, (name, shape) => paramValue(golden.tag + name, shape)),
    discriminator: await filled(new Discriminator({ ndf }), hashedValue(golden, "discriminator")),
    lpips: await goldenLpips(loadGolden("lpips_vgg")),
  };
}

/** "mean(|x-rec| + 1.0*lpips) + d_weight*g_loss + codebook; d_weight=0.75*clamp(..." */
function weightsOf(golden: Golden) {
  const [, p, d] = /([\d.]+)\*lpips.*d_weight=([\d.]+)\*clamp/.exec(golden.meta("loss"))!;
  return { perceptualWeight: Number(p), discriminatorWeight: Number(d) };
}

/** The generator's step, then the discriminator's, without updates. */
async function steps(golden: Golden) {
  const { vqgan, discriminator, lpips } = await netsOf(golden);
  const values = await scope(async () => {
    const x = tensor(golden.values("image"), golden.shape("image"));
    const one = generatorStep(vqgan, x, { lpips, discriminator, ...weightsOf(golden) });
    const generator = await gradProbes(vqgan);
    const two = discriminatorStep(vqgan, discriminator, x);
    const scalars = {
      reconstruction: one.reconstruction,
      loss: one.loss,
      nll_loss: one.nll,
      p_loss: one.perceptual!,
      g_loss: one.g!,
      d_weight: one.weight!,
      codebook_loss: one.codebook!,
      logits_fake_generator_step: one.logits!,
      d_loss: two.d,
      logits_real: two.real,
      logits_fake: two.fake,
    };
    const named = new Map<string, Float32Array>();
    for (const [name, value] of Object.entries(scalars)) named.set(name, await floats(value));
    for (const [name, p] of discriminator.entries())
      if (p.kind === "buffer") named.set(`disc_after/${name}`, await floats(p.value));
    return { named, generator, discriminator: await gradProbes(discriminator) };
  });
  for (const net of [vqgan, discriminator, lpips]) net.dispose();
  return values;
}

parity(FILE, async () => {
  const golden = loadGolden(FILE);
  const all = once(() => steps(golden));
  const named = golden.names(/^(?!(?:disc_)?grad_probe\/)/).filter((name) => name !== "image");
  return [
    ...named.map((name) =>
      against(golden, FILE, name, async () => {
        const got = (await all()).named.get(name);
        if (!got) throw new Error(`nothing here is called ${name}`);
        return got;
      }),
    ),
    ...probeCases(golden, FILE, "grad_probe/", async () => (await all()).generator),
    ...probeCases(golden, FILE, "disc_grad_probe/", async () => (await all()).discriminator),
  ];
});
