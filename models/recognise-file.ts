// What a file of tensors is, by the names and shapes in it: which net, or which other thing, and what takes it.
//
// A net that has a name here (known-nets.ts) is recognised when all of its tensors are there with their shapes, wherever in the
// file they lie, and none is left over among them: then it can be loaded. One that nearly fits is called so. Everything else has
// marks: a few keys that nothing else has (recognise-marks.ts).

import { neverWanted } from "../engine/nn.js";
import { sameShape } from "../engine/tensor.js";
import { type Known, knownNets, tensorsOf } from "./known-nets.js";
import { byMarks, type Listing, type MarkedKind } from "./recognise-marks.js";
import { placesOf } from "./state-dict.js";

/** What a file is. */
export interface Recognised {
  kind: MarkedKind;
  /** To be read behind "is", or behind "holds" where the kind is "tensors": `the recogniser "ir_50", 43,585,600 parameters`. */
  what: string;
  /** The name by which commands know the net. */
  net?: string;
  /** Which half of an autoencoder it is, if it is one. */
  part?: "encoder" | "decoder";
  /** Most of it fits, and something does not: it cannot be loaded. */
  almost?: true;
  /** What stands before its keys in the file. */
  at: string;
  /** Its keys, without that. */
  own: ReadonlySet<string>;
  /** Commands that take it, which call it FILE. */
  takenBy: string[];
}

/** Commands by kind; NET is the net's name. */
const takers = {
  diffusion: [
    "uiface train diffusion --net NET --init FILE",
    "uiface sample --weights <folder>    where it is called diffusion",
  ],
  vqgan: [
    "uiface train diffusion --vqgan FILE --vqgan-net NET",
    "uiface train vqgan --net NET --init FILE",
    "uiface sample --weights <folder>    where it is called vqgan",
    "uiface export FILE decoder.onnx --net NET",
  ],
  recogniser: [
    "uiface train diffusion --recogniser FILE --recogniser-net NET",
    "uiface train recogniser --net NET --init FILE",
    "uiface sample --weights <folder>    where it is called recogniser",
    "uiface export FILE recogniser.onnx --net NET",
  ],
  contexts: ["uiface sample --contexts FILE"],
  checkpoint: ["uiface convert FILE weights.safetensors --only <what the names of the weights begin with>"],
  head: [],
  discriminator: [],
  lpips: ["uiface train vqgan --lpips FILE"],
  "lpips without vgg16": ["uiface train vqgan --lpips FILE,<torchvision's VGG16>"],
  vgg16: ["uiface train vqgan --lpips FILE,<LPIPS's five linear layers>"],
  inception: [],
  optimiser: [],
  latents: [],
} satisfies Record<Exclude<MarkedKind, "tensors">, string[]>;

/** What a file is; of several nets in it, the largest. */
export function recognise(file: Listing): Recognised {
  const fits = knownNets.flatMap((one) => fitOf(file, one) ?? []);
  const whole = fits.filter((fit) => fit.fitting === fit.size && fit.leftOver === 0);
  const best = largest(whole) ?? largest(fits.filter((fit) => fit.fitting > NEARLY * fit.size));
  return best ? named(best, whole.includes(best)) : without(file);
}

/** The part of a net's tensors that must fit for the file to be called almost that net. */
const NEARLY = 0.9;

interface Fit {
  one: Known;
  at: string;
  /** Tensors of the net, and those that are there with their shape. */
  size: number;
  fitting: number;
  /** Tensors behind `at` that are not the net's. */
  leftOver: number;
}

function fitOf(file: Listing, one: Known): Fit | undefined {
  const { shapes } = tensorsOf(one);
  const [at] = placesOf(file.names, shapes);
  if (at === undefined) return undefined;
  let fitting = 0;
  for (const [name, shape] of shapes)
    if (file.has(at + name) && sameShape(file.info(at + name).shape, shape)) fitting++;
  const isLeftOver = (key: string) => {
    const name = key.slice(at.length);
    return key.startsWith(at) && !shapes.has(name) && !neverWanted.test(name) && !one.beside?.test(name);
  };
  return { one, at, size: shapes.size, fitting, leftOver: file.names.filter(isLeftOver).length };
}

const largest = (fits: readonly Fit[]): Fit | undefined =>
  fits.toSorted((a, b) => b.fitting - b.leftOver - (a.fitting - a.leftOver))[0];

function named({ one, at, size, fitting, leftOver }: Fit, whole: boolean): Recognised {
  const { shapes, parameters } = tensorsOf(one);
  const { kind, net, part } = one;
  const own = new Set(shapes.keys());
  if (!whole) {
    const more = leftOver ? `, and ${leftOver} more are not its own` : "";
    const what = `almost ${one.what}: ${fitting} of its ${size} tensors fit${more}`;
    return { kind, what, at, own, takenBy: [], almost: true };
  }
  const what = `${one.what}, ${parameters.toLocaleString("en")} parameters`;
  const takenBy = takers[kind].map((line) => line.replace("NET", net ?? ""));
  return { kind, what, at, own, takenBy, ...(net && { net }), ...(part && { part }) };
}

/** A file without a net that has a name here; no command takes a net without a name. */
function without(file: Listing): Recognised {
  const { kind, what, at } = byMarks(file);
  const own = new Set(file.names.filter((key) => key.startsWith(at)).map((key) => key.slice(at.length)));
  const lines: string[] = kind === "tensors" ? [] : takers[kind];
  return { kind, what, at, own, takenBy: lines.some((line) => line.includes("NET")) ? [] : [...lines] };
}
