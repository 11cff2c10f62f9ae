// Weights of any origin into a net: our own files, PyTorch's, NumPy's, whatever stands before the keys (state-dict.ts). Every key
// of the net must be there with its exact shape, and none may be left over among them: a net half loaded does not exist.

import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openTensors } from "../engine/io/open.js";
import type { TensorFile } from "../engine/io/tensor-file.js";
import type { Module } from "../engine/nn.js";
import { lossKeys, nameOf } from "./known-nets.js";
import { recognise } from "./recognise-file.js";
import { stateDictOf } from "./state-dict.js";
import { VqGan } from "./vqgan.js";

/**
 * Loads every tensor of `net`, one at a time, from a checkpoint in any format that `openTensors` reads.
 *
 * @param from   a path, or files that are open
 * @returns      the metadata of the (first) file
 * @throws       FileError, with nothing loaded, unless every key is there and fits and none is left over
 */
export async function loadCheckpoint(
  net: Module,
  from: string | readonly TensorFile[],
): Promise<ReadonlyMap<string, string>> {
  const files = typeof from === "string" ? await openCheckpoint(from) : from;
  net.load(
    files.map((file) => stateDictOf(net, file)),
    {
      ...(net instanceof VqGan && { ignore: lossKeys }),
      explain: () => ({ what: nameOf(net), advice: adviceFor(files, nameOf(net)) }),
    },
  );
  return files[0]?.metadata ?? new Map();
}

/** Opens a file, and where it holds half an autoencoder and the other half lies beside it, both. */
export async function openCheckpoint(path: string): Promise<TensorFile[]> {
  const file = await openTensors(path);
  const holds = (half: string) => file.names.some((key) => key === half || key.endsWith(`.${half}`));
  const isHalf = holds("encoder.conv_in.weight") !== holds("decoder.conv_in.weight");
  const partner = isHalf ? checkpointFiles(path)[1] : undefined;
  return partner ? [file, await openTensors(partner)] : [file];
}

/**
 * The path, and where its file name has "encoder" in it, the file beside it that has "decoder" there, or the other way round:
 * IDiff-Face keeps the autoencoder as first_stage_encoder_state_dict.pt and first_stage_decoder_state_dict.pt.
 */
export function checkpointFiles(path: string): string[] {
  const name = basename(path);
  const partner = join(
    dirname(path),
    name.replace(/(?<!auto)(en|de)(?=coder)/, (half) => (half === "en" ? "de" : "en")),
  );
  return basename(partner) !== name && existsSync(partner) ? [path, partner] : [path];
}

/** What to do about a file that does not fit the net called `wanted`. */
function adviceFor([file]: readonly TensorFile[], wanted: string): string {
  if (!file) return "Give a file.";
  const { what, kind, part, takenBy } = recognise(file);
  const look = `\`uiface inspect ${file.path}\` shows what it holds.`;
  if (part) {
    const other = part === "encoder" ? "decoder" : "encoder";
    return `This is ${what}. Put the ${other}'s file beside it, called alike but for that word.`;
  }
  if (kind === "tensors" || what.includes(wanted)) return look;
  const [taker] = takenBy;
  return `This is ${what}${taker ? `: \`${taker.replaceAll("FILE", file.path)}\` takes it.` : `. ${look}`}`;
}
