// Where in a file a net's tensors lie. A net's own keys are known, so what trainers put before them needs no list: it is the
// beginning behind which most of them lie.
//
//   file                                   a key                                              found behind
//   ours, the authors' recognisers         input_layer.0.weight                               ""
//   ema_averaged_model_<step>.ckpt         module.eps_model.image_proj.weight                 "module.eps_model."
//   vq-f4's model.ckpt                     state_dict.encoder.conv_in.weight                  "state_dict."
//   a checkpoint of latent diffusion       state_dict.first_stage_model.encoder.conv_in...    "state_dict.first_stage_model."
//   a head of TFace                        <data set>.kernel                                  "<data set>."

import { FileError } from "../engine/errors.js";
import type { TensorFile } from "../engine/io/tensor-file.js";
import type { Module, Weights } from "../engine/nn.js";

/**
 * The part of a file that is the net's state dict, without what stands before its keys. Everything else is left alone.
 *
 * @throws   FileError if there are several copies and no single one is called an average
 */
export function stateDictOf(net: Module, file: TensorFile): Weights {
  const [at = "", ...more] = placesOf(file.names, new Set(net.entries().map(([name]) => name)));
  if (more.length) {
    throw new FileError(
      `${file.path} holds this net ${1 + more.length} times: behind ${[at, ...more].map((place) => JSON.stringify(place)).join(" and ")}.
Make a file of the one you want: uiface convert ${file.path} one.safetensors --only ${at || more[0]}`,
    );
  }
  return {
    path: file.path,
    names: file.names.filter((key) => key.startsWith(at)).map((key) => key.slice(at.length)),
    info: (name) => file.info(at + name),
    read: (name) => file.read(at + name),
  };
}

/**
 * What stands before a net's keys: empty if none of them is there, several if there are whole copies behind each. Of copies the
 * averaged one is meant, because that is the one to sample with.
 */
export function placesOf(keys: readonly string[], wanted: { has(name: string): boolean; size: number }): string[] {
  const found = new Map<string, number>();
  for (const key of keys) {
    for (let at = 0; at >= 0; at = nextPart(key, at)) {
      if (wanted.has(key.slice(at))) found.set(key.slice(0, at), (found.get(key.slice(0, at)) ?? 0) + 1);
    }
  }
  const most = Math.max(0, ...found.values());
  const places = [...found.keys()].filter((place) => found.get(place) === most);
  if (most < wanted.size) return places.slice(0, 1);
  const averages = places.filter((place) => /(^|[._])(ema|averaged?)(?![a-z])/i.test(place));
  return averages.length === 1 ? averages : places;
}

/** Where the part behind the next "." begins, or -1. */
const nextPart = (key: string, at: number): number => key.indexOf(".", at) + 1 || -1;
