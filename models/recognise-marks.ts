// Files that hold no net with a name here, told apart by marks: a few keys and shapes that nothing else has. In the order of this
// page; the first that fits is it.

import type { TensorFile } from "../engine/io/tensor-file.js";
import { unets } from "./configs.js";

/** What recognition looks at. */
export type Listing = Pick<TensorFile, "names" | "has" | "info" | "format">;

export type MarkedKind =
  | "diffusion"
  | "vqgan"
  | "recogniser"
  | "head"
  | "discriminator"
  | "lpips"
  | "lpips without vgg16"
  | "vgg16"
  | "inception"
  | "optimiser"
  | "latents"
  | "contexts"
  | "checkpoint"
  | "tensors";

export interface Marked {
  kind: MarkedKind;
  /** To be read behind "is". */
  what: string;
  /** What stands before its keys. */
  at: string;
}

type Mark = (file: Seen) => { what: string; at?: string } | undefined;

/** The lengths of the contexts that our nets take. */
const contextSizes = new Set(Object.values(unets).map((config) => config.context_input_channels));

const marks: readonly [MarkedKind, Mark][] = [
  ["optimiser", optimiser],
  ["checkpoint", checkpoint],
  ["diffusion", diffusion],
  ["vqgan", autoencoder],
  ["recogniser", recogniser],
  ["discriminator", discriminator],
  ["lpips without vgg16", lpips],
  ["vgg16", vgg16],
  ["inception", inception],
  ["latents", latents],
  ["contexts", contextsByName],
  ["head", head],
  ["contexts", contexts],
];

export function byMarks(file: Listing): Marked {
  const seen = new Seen(file);
  for (const [kind, mark] of marks) {
    const found = mark(seen);
    if (found) return { kind, what: found.what, at: found.at ?? "" };
  }
  return { kind: "tensors", what: contents(seen), at: "" };
}

/** To be read behind "holds". */
function contents({ tensors }: Seen): string {
  const [only] = tensors;
  if (!only) return "no tensor";
  if (tensors.length > 1) return `${tensors.length} tensors of no net that is known here`;
  const [rows, size] = only.shape;
  if (only.shape.length !== 2 || size! < 16 || !/^b?f\d/.test(only.dtype)) return "one array";
  return `${rows} rows of ${size} numbers; as contexts they fit none of the nets here, which take ${[...contextSizes].join(" or ")}`;
}

/** A file, asked for keys by their ends. */
class Seen {
  readonly tensors: readonly { key: string; shape: readonly number[]; dtype: string }[];

  constructor(readonly file: Listing) {
    this.tensors = file.names.map((key) => ({ key, ...file.info(key) }));
  }

  /** The first tensor that is called so, or whose name ends so behind a ".". */
  find(name: string) {
    return this.tensors.find(({ key }) => key === name || key.endsWith(`.${name}`));
  }

  /** Its shape. */
  shape(name: string): readonly number[] | undefined {
    return this.find(name)?.shape;
  }

  /** What stands before it. */
  before(name: string): string {
    return this.find(name)?.key.slice(0, -name.length) ?? "";
  }

  some(pattern: RegExp): boolean {
    return this.tensors.some(({ key }) => pattern.test(key));
  }
}

/** What torch.optim and engine/optim.ts keep of a parameter. */
const moment = /(^|\.)(exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer)(\.|$)/;

function optimiser({ tensors }: Seen) {
  const isState = (key: string) => moment.test(key) || /(^|\.)step$/.test(key);
  if (!tensors.some(({ key }) => moment.test(key)) || !tensors.every(({ key }) => isState(key))) return undefined;
  return { what: `the state of an optimiser${tensors.some(({ key }) => /exp_avg_sq/.test(key)) ? " (Adam)" : ""}` };
}

/** Weights of some net with the state of its optimiser. */
function checkpoint(file: Seen) {
  if (!file.some(moment) || file.find("image_proj.weight") || file.find("encoder.conv_in.weight")) return undefined;
  return { what: "a training checkpoint of a net that is not known here, with the state of its optimiser" };
}

function diffusion(file: Seen) {
  const [first, last] = [file.shape("image_proj.weight"), file.shape("time_emb.lin1.weight")];
  if (!first || !last) return undefined;
  const context = file.shape("context_emb.weight");
  const size = `latents of ${first[1]} channels, first width ${first[0]}, ${context ? `contexts of ${context[1]} numbers` : "no contexts"}`;
  return { what: `a diffusion model of a size that has no name here: ${size}`, at: file.before("image_proj.weight") };
}

function autoencoder(file: Seen) {
  const key = ["encoder.conv_in.weight", "decoder.conv_in.weight"].find((name) => file.find(name));
  if (!key) return undefined;
  const codes = file.shape("quantize.embedding.weight");
  const both = file.find("encoder.conv_in.weight") && file.find("decoder.conv_in.weight");
  const size = codes
    ? `${codes[0]} codes of ${codes[1]} numbers`
    : both
      ? "without a codebook, so it is no VQGAN"
      : `the ${key.slice(0, 7)} alone`;
  return { what: `an autoencoder of a size that has no name here: ${size}`, at: file.before(key) };
}

function recogniser(file: Seen) {
  const ir = file.find("input_layer.0.weight") && file.shape("output_layer.3.weight");
  const iresnet = file.find("layer1.0.bn1.weight") && file.find("layer1.0.prelu.weight") && file.shape("fc.weight");
  const features = ir || iresnet;
  if (!features) return undefined;
  const family = iresnet ? "iresnet" : file.some(/\.se_block\./) ? "IR with squeeze and excitation" : "IR";
  return {
    what: `a recogniser (${family}) of a size that has no name here: ${features[0]} features`,
    at: file.before(ir ? "input_layer.0.weight" : "layer1.0.bn1.weight"),
  };
}

/** PatchGAN begins and ends with convolutions of 4 x 4. */
function discriminator(file: Seen) {
  const first = file.shape("main.0.weight");
  if (first?.length !== 4 || first[2] !== 4 || first[3] !== 4) return undefined;
  return { what: `a discriminator (PatchGAN), first width ${first[0]}`, at: file.before("main.0.weight") };
}

function lpips(file: Seen) {
  const lin = file.shape("lin0.model.1.weight");
  if (!lin || !file.find("lin4.model.1.weight")) return undefined;
  return { what: "LPIPS's five linear layers; its VGG16 is another file", at: file.before("lin0.model.1.weight") };
}

function vgg16(file: Seen) {
  const [first, last] = [file.shape("features.0.weight"), file.shape("features.28.weight")];
  if (!first || last?.[0] !== 512) return undefined;
  return { what: "VGG16 under torchvision's names", at: file.before("features.0.weight") };
}

function inception(file: Seen) {
  if (!file.find("Conv2d_1a_3x3.conv.weight")) return undefined;
  return { what: "an Inception net that is not torchvision's v3", at: file.before("Conv2d_1a_3x3.conv.weight") };
}

/** train/latents.ts keeps them between runs. */
function latents(file: Seen) {
  const [z, contexts] = [file.shape("z"), file.shape("contexts")];
  if (z?.length !== 5 || contexts?.length !== 2) return undefined;
  return {
    what: `latents of a training set: ${z[1]} images, ${z[2]} x ${z[3]} x ${z[4]}, and mirrored, with contexts of ${contexts[1]} numbers`,
  };
}

/** A dict from image or identity to vector, as IDiff-Face stores its embeddings. */
function contextsByName({ tensors }: Seen) {
  const [first] = tensors;
  const size = first?.shape.at(-1) ?? 0;
  const isRow = (shape: readonly number[]) =>
    shape.at(-1) === size && shape.slice(0, -1).every((n) => n === 1) && shape.length > 0;
  if (tensors.length < 2 || size < 32 || !tensors.every(({ shape, dtype }) => isRow(shape) && /^b?f\d/.test(dtype)))
    return undefined;
  if (tensors.some(({ key }) => /\.(weight|bias|running_mean|running_var)$/.test(key))) return undefined;
  return { what: `${tensors.length} embeddings of ${size} numbers by name${fits(size)}` };
}

/** The class columns, (D, C): TFace's heads {data set: {kernel}} or {data set: matrix}, ours, and what CurricularFace and AdaFace add. */
function head({ tensors, file }: Seen) {
  const matrices = tensors.filter(({ shape }) => shape.length === 2);
  const [kernel] = matrices;
  if (matrices.length !== 1 || !kernel || tensors.length > 5 || file.format === "npy") return undefined;
  const called = /(^|\.)(kernel|weight)$/.test(kernel.key);
  const rest = tensors.every((t) => t === kernel || t.shape.length < 2);
  if (!rest || (!called && !(contextSizes.has(kernel.shape[0]!) && file.format.startsWith("torch")))) return undefined;
  return {
    what: `a head of a recogniser: ${kernel.shape[1]!.toLocaleString("en")} classes, features of ${kernel.shape[0]} numbers`,
    at: called ? kernel.key.replace(/(kernel|weight)$/, "") : "",
  };
}

function contexts({ tensors }: Seen) {
  const [only] = tensors;
  const [count, size] = only?.shape ?? [];
  if (tensors.length !== 1 || only!.shape.length !== 2 || !contextSizes.has(size!) || !/^b?f\d/.test(only!.dtype))
    return undefined;
  return {
    what: `${count === 1 ? "one context" : `${count!.toLocaleString("en")} contexts`}: embeddings of ${size} numbers${fits(size!)}`,
  };
}

/** Which diffusion models take contexts of this size. */
function fits(size: number): string {
  const nets = Object.entries(unets).filter(([, config]) => config.context_input_channels === size);
  return nets.length ? `, as ${nets.map(([name]) => name).join(" and ")} take them` : "";
}
