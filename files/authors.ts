// Nets as the authors' code saves them, so that it can load what was trained here:
//
//   diffusion model   ema_averaged_model_<step>.ckpt of a run on one GPU: the schedule's eight buffers, then eps_model.*
//   recogniser        Backbone_Epoch_<n>_checkpoint.pth of TFace: the keys as they are, with BatchNorm's counters
//   autoencoder       first_stage_encoder_state_dict.pt and first_stage_decoder_state_dict.pt, a half each, by the name of the file;
//                     under any other name latent diffusion's model.ckpt: {"state_dict": all of it}

import { basename } from "node:path";
import { UsageError } from "../engine/errors.js";
import type { Outgoing } from "../engine/io/encode.js";
import type { TorchValue } from "../engine/io/torch-write.js";
import { halves } from "../models/known-nets.js";
import { recognise } from "../models/recognise-file.js";
import { linear } from "../models/schedule.js";

type Named = [name: string, tensor: Outgoing];

/** The layout for the net that `tensors` are; says in `notes` what it adds or leaves out. */
export function authorsLayout(path: string, tensors: ReadonlyMap<string, Outgoing>, notes: string[]): TorchValue {
  const info = (name: string) => ({ ...tensors.get(name)!, shape: [...tensors.get(name)!.shape] });
  const net = recognise({ format: "torch zip", names: [...tensors.keys()], has: (name) => tensors.has(name), info });
  const own = [...net.own].map((name): Named => [name, tensors.get(net.at + name)!]);
  const { kind, at, what } = net;
  if (kind === "diffusion") {
    notes.push("eight buffers of the noise schedule added; eps_model. put before every name");
    return new Map([...scheduleBuffers(), ...own.map(([name, tensor]): Named => [`eps_model.${name}`, tensor])]);
  }
  if (kind === "recogniser") {
    notes.push("a counter (num_batches_tracked) for every BatchNorm");
    return new Map(own.flatMap(([name, tensor]): Named[] => [[name, tensor], ...counter(name, at, tensors)]));
  }
  if (kind === "vqgan") {
    const half = /(?<!auto)(encoder|decoder)/.exec(basename(path))?.[1] as "encoder" | "decoder" | undefined;
    if (!half) return new Map([["state_dict", new Map(own)]]);
    notes.push(`the ${half}'s half alone, because of the file's name`);
    return new Map(own.filter(([name]) => halves[half].test(name)));
  }
  throw new UsageError(`The authors have no layout for ${what}. Leave out --layout.`);
}

/** The buffers of the authors' diffusion module, float32 of length 1000. */
function scheduleBuffers(): Named[] {
  const s = linear();
  const buffers = {
    betas: s.betas,
    alphas: s.alphas,
    sigmas: s.sigmas,
    sqrt_alphas_inv: s.sqrtAlphasInv,
    alpha_bars: s.alphaBars,
    sqrt_alpha_bars: s.sqrtAlphaBars,
    sqrt_one_minus_alpha_bars: s.sqrtOneMinusAlphaBars,
    one_minus_alphas_over_sqrt_one_minus_alpha_bars: s.oneMinusAlphasOverSqrtOneMinusAlphaBars,
  };
  return Object.entries(buffers).map(([name, data]) => [
    name,
    { shape: [s.steps], dtype: "f32", read: () => Float32Array.from(data) },
  ]);
}

/** PyTorch lists it behind a BatchNorm's other buffers; it counts training batches, and evaluation does not look at it. */
function counter(name: string, at: string, tensors: ReadonlyMap<string, Outgoing>): Named[] {
  if (!name.endsWith(".running_var")) return [];
  const counted = name.replace(/running_var$/, "num_batches_tracked");
  const zero: Outgoing = { shape: [], dtype: "i64", read: () => new BigInt64Array(1) };
  return [[counted, tensors.get(at + counted) ?? zero]];
}
