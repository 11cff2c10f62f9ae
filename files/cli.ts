// `uiface inspect` and `uiface convert`: what is in a file, and the same in another format.

import { Command, Option } from "commander";
import { FileError } from "../engine/errors.js";
import { type Conversion, type ConvertOptions, convert, summary } from "./convert.js";
import { type Inspection, inspect } from "./inspect.js";
import { report } from "./report.js";

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("Say what a file of weights, contexts or face pairs is, what is in it, and which command takes it.")
    .addHelpText(
      "before",
      "Examples:\n  uiface inspect weights/diffusion.safetensors\n  uiface inspect ema_averaged_model_900000.ckpt --all\n  uiface inspect runs/vqgan runs/vqgan/step-500\n",
    )
    .argument(
      "<file...>",
      "safetensors, PyTorch checkpoint, .npy, .npz, pickle of arrays, verification .bin, folder of a run",
    )
    .option("--all", "list every tensor and all metadata")
    .option("--quick", "look at headers alone: do not read the values")
    .option("--json", "print one JSON object, or an array for several files")
    .action(inspectAll);
}

interface InspectFlags {
  all?: boolean;
  quick?: boolean;
  json?: boolean;
}

/** Of several files each is looked at, whatever is wrong with the others. */
async function inspectAll(paths: string[], { all, quick = false, json }: InspectFlags): Promise<void> {
  const found: Inspection[] = [];
  for (const path of paths) {
    try {
      found.push(await inspect(path, { quick }));
      if (!json) console.log(`${found.length > 1 ? "\n" : ""}${report(found.at(-1)!, all)}`);
    } catch (error) {
      if (paths.length === 1 || !(error instanceof FileError)) throw error;
      console.error(error.message);
      process.exitCode = error.exitCode;
    }
  }
  if (json) console.log(JSON.stringify(paths.length === 1 ? found[0] : found, null, 2));
}

/** As the command line gives them. */
type Flags = Omit<ConvertOptions, "only"> & { only?: string; json?: boolean };

export function convertCommand(): Command {
  return new Command("convert")
    .description("Write the tensors of a file in another format; the ending of <out> says which.")
    .addHelpText(
      "before",
      `Examples:
  uiface convert model.ckpt vq-f4.safetensors --only state_dict. --strip state_dict.
  uiface convert runs/diffusion/diffusion.safetensors ema_averaged_model_3200.ckpt --layout authors
  uiface convert elastic_embed.pt contexts.npy
`,
    )
    .argument("<in>", "anything that `uiface inspect` finds tensors in")
    .argument("<out>", ".safetensors; .pt, .pth or .ckpt for PyTorch; .npz; .npy for one array or for vectors by name")
    .option("--f16", "store floats with 16 bits")
    .option("--only <prefixes>", "keep tensors whose names begin so; several with commas between")
    .option("--strip <prefix>", "take this from the front of names")
    .option("--prefix <prefix>", "put this before every name")
    .addOption(new Option("--layout <layout>", "as the authors' code writes this net").choices(["authors"]))
    .option("--force", "overwrite a file that is there")
    .option("--json", "print one JSON object")
    .action(async (from: string, to: string, { json, only, ...options }: Flags) => {
      const done = await convert(from, to, { ...options, ...(only !== undefined && { only: only.split(",") }) });
      if (json) console.log(JSON.stringify(done, null, 2));
      else print(done);
    });
}

/** The summary goes to stderr, the path of the new file to stdout. */
function print(done: Conversion): void {
  console.error(`${summary(done).join("\n")}\nNext: uiface inspect ${done.to}`);
  console.log(done.to);
}
