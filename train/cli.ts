// `uiface train <net>`: opens the device, runs one of the flat scripts beside this file.

import { Command } from "commander";
import { openDevice } from "../engine/device.js";
import { diffusionDefaults, trainDiffusion } from "./diffusion.js";
import { recogniserDefaults, trainRecogniser } from "./recogniser.js";
import { type Settings, settings } from "./settings.js";
import { trainVqgan, vqganDefaults } from "./vqgan.js";

export function trainCommand(): Command {
  const train = new Command("train").description("Train one of the nets: vqgan, recogniser, diffusion.");
  train.addCommand(script("vqgan", "the autoencoder", vqganDefaults, trainVqgan));
  train.addCommand(script("recogniser", "a face recogniser", recogniserDefaults, trainRecogniser));
  train.addCommand(script("diffusion", "the latent diffusion model", diffusionDefaults, trainDiffusion));
  return train;
}

/** A subcommand whose options are the script's settings (train/settings.ts reads and checks them). */
function script<T extends Settings>(name: string, what: string, defaults: T, run: (s: T) => Promise<unknown>): Command {
  return new Command(name)
    .description(`Train ${what}; --help lists its settings.`)
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async () => {
      const s = settings(`train ${name}`, defaults);
      const device = await openDevice();
      console.error(`adapter  ${device.info.description} (${device.kind})`);
      await run(s);
      device.close();
      console.log(`${s.out}/${name}.safetensors`);
    });
}
