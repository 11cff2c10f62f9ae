// `uiface train <net>`: opens the device, runs one of the flat scripts beside this file.

import { Command } from "commander";
import { describe } from "../engine/adapter.js";
import { openDevice } from "../engine/device.js";
import { UsageError } from "../engine/errors.js";
import { diffusionDefaults, trainDiffusion } from "./diffusion.js";
import { diffusionOptions, recogniserOptions, shippedOptions, vqganOptions } from "./options.js";
import { recogniserDefaults, trainRecogniser } from "./recogniser.js";
import { type Settings, type SettingsOptions, settings } from "./settings.js";
import { shippedDefaults, trainShipped } from "./shipped.js";
import { trainVqgan, vqganDefaults } from "./vqgan.js";

export function trainCommand(): Command {
  return new Command("train")
    .description("Train one of the nets (vqgan, recogniser, diffusion), or all three as they are shipped.")
    .addHelpText("before", "Examples:\n  uiface train vqgan\n  uiface train diffusion --help\n")
    .addCommand(script("vqgan", vqganDefaults, vqganOptions, trainVqgan))
    .addCommand(script("recogniser", recogniserDefaults, recogniserOptions, trainRecogniser))
    .addCommand(script("diffusion", diffusionDefaults, diffusionOptions, trainDiffusion))
    .addCommand(script("shipped", shippedDefaults, shippedOptions, trainShipped, (s) => s.weights));
}

/** A subcommand whose options are the script's settings (train/settings.ts reads and checks them). */
function script<T extends Settings & { out: string }>(
  name: string,
  defaults: T,
  options: SettingsOptions<T>,
  run: (s: T) => Promise<unknown>,
  result = (s: T) => `${s.out}/${name}.safetensors`,
): Command {
  return new Command(name)
    .description(`Train ${options.summary}.`)
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_: unknown, { args }: Command) => {
      const stray = args[0];
      if (stray && !stray.startsWith("-"))
        throw new UsageError(`train ${name}: "${stray}" is not expected here: settings are given as --name value.`);
      const s = settings(`train ${name}`, defaults, { ...options, args });
      const device = await openDevice();
      console.error(`adapter  ${describe(device.info)} (${device.kind})`);
      await run(s);
      device.close();
      console.log(result(s));
    });
}
