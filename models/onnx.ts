// Export to ONNX: a recogniser, or the autoencoder's way from latents to images, straight from a file of weights to an .onnx
// file. No device is opened: the net gives shapes and keys, and each weight goes from one file to the other.
//
//   const report = await exportOnnx(await openTensors("weights/recogniser.safetensors"), "recogniser.onnx");
//
// Keys and shapes tell which net a file holds (recognise-file.ts), whatever stands before the keys (state-dict.ts).

import { readFileSync } from "node:fs";
import { FileError, UsageError } from "../engine/errors.js";
import { type OnnxGraph, OPSET, type Port, writeOnnx } from "../engine/io/onnx.js";
import type { TensorFile } from "../engine/io/tensor-file.js";
import { type LoadOptions, type Module, matched } from "../engine/nn.js";
import { vqgans } from "./configs.js";
import { backbones, sizesOf } from "./iresnet.js";
import { nameOf } from "./known-nets.js";
import { recogniserGraph } from "./onnx-recogniser.js";
import { decoderGraph } from "./onnx-vqgan.js";
import { recognise } from "./recognise-file.js";
import { stateDictOf } from "./state-dict.js";
import { VqGan } from "./vqgan.js";

/** Names that `net` may be: recognisers, then autoencoders. */
export const exportable: readonly string[] = [...Object.keys(backbones), ...Object.keys(vqgans)];

export interface ExportOptions {
  /** Which net the file holds, where its tensors do not tell. */
  net?: string;
  /** Of an autoencoder: without the quantiser, for latents that are codes already. */
  codes?: boolean;
  /** Weights of two and more dimensions in half precision. */
  float?: "f32" | "f16";
}

export interface ExportReport {
  file: string;
  net: string;
  bytes: number;
  opset: number;
  nodes: number;
  /** Numbers in the weights, running statistics included. */
  weights: number;
  inputs: readonly Port[];
  outputs: readonly Port[];
  /** What the file says about itself: how to make its input and read its output. */
  metadata: Record<string, string>;
}

/** A graph, the net whose keys it uses, and what a user must know to run it. */
interface Plan {
  graph: OnnxGraph;
  net: Module;
  keys: LoadOptions;
  metadata: Record<string, string>;
}

/** Writes `path`; throws FileError, and writes nothing, unless the file has every tensor of the net. */
export async function exportOnnx(from: TensorFile, path: string, options: ExportOptions = {}): Promise<ExportReport> {
  const name = netIn(from, options.net);
  const { graph, net, keys, metadata } = name in backbones ? recogniser(name, options) : autoencoder(name, options);
  const explain = () => ({ what: nameOf(net), advice: `The file is ${recognise(from).what}.` });
  const found = matched(net, [stateDictOf(net, from)], { ...keys, explain });
  const weights = new Map(found.map(({ parameter, read }) => [parameter.name, read]));
  const about = { net: name, ...metadata };
  const bytes = await writeOnnx(path, graph, (key) => weights.get(key)!(), { metadata: about, version: version() });
  const held = [...graph.initialisers.values()].filter(({ values }) => !values);
  return {
    file: path,
    net: name,
    bytes,
    opset: OPSET,
    nodes: graph.nodes.length,
    weights: held.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    inputs: graph.inputs,
    outputs: graph.outputs,
    metadata: about,
  };
}

/** The net that the caller names, that the tensors are those of, or that the file says it is for. */
function netIn(from: TensorFile, wanted: string | undefined): string {
  const known = `Nets that can be exported: ${exportable.join(", ")}.`;
  if (wanted && !exportable.includes(wanted)) throw new UsageError(`There is no net "${wanted}" to export.\n${known}`);
  if (wanted) return wanted;
  const { kind, what, net, part } = recognise(from);
  if (net && (kind === "recogniser" || (kind === "vqgan" && part !== "encoder"))) return net;
  const said = from.metadata.get("net");
  if (kind === "tensors" && said && exportable.includes(said)) return said;
  throw new FileError(
    `${from.path} cannot be exported: it is ${what}.\n${known} Name one with --net if it is one of them.`,
  );
}

function recogniser(name: string, { codes, float = "f32" }: ExportOptions): Plan {
  if (codes) throw new UsageError(`--codes is for an autoencoder, and ${name} is a recogniser. Leave it out.`);
  const which = name as keyof typeof backbones;
  const net = backbones[which]();
  const { side, features } = sizesOf(which);
  const metadata = {
    "input.channels": "RGB",
    "input.range": "[-1, 1]: pixel / 127.5 - 1",
    "input.size": `${side} x ${side}, an aligned face`,
    "output.features": `${features} numbers, not normalised: divide by their length, then compare by dot product`,
  };
  return { graph: recogniserGraph(which, net, { float }), net, keys: {}, metadata };
}

function autoencoder(name: string, { codes = false, float = "f32" }: ExportOptions): Plan {
  const config = vqgans[name as keyof typeof vqgans];
  const net = new VqGan(config);
  const f = 2 ** (config.ch_mult.length - 1);
  const metadata = {
    [codes ? "input.codes" : "input.z"]: codes
      ? `rows of the codebook, ${config.embed_dim} numbers a pixel, not their indices`
      : `latents as the diffusion model makes them; the graph takes the nearest of ${config.n_embed} codes`,
    "output.channels": "RGB",
    "output.range": "about [-1, 1]: clamp, then pixel = (x + 1) * 127.5",
    "output.size": `${f} times the latent's sides`,
  };
  // The file may hold the decoder alone, both halves, or latent diffusion's whole training state.
  const only = codes ? /^(?:decoder|post_quant_conv)\./ : /^(?:decoder|quantize|post_quant_conv)\./;
  return { graph: decoderGraph(name, net, { codes, float }), net, keys: { only, ignore: /^loss\./ }, metadata };
}

/** This package's. */
function version(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}
