// The tasks as ONNX graphs. Recognisers and the autoencoder are those of `uiface export` (models/onnx.ts); the UNet's graph is
// in onnx-unet.ts. A graph has one output.

import type { HostTensor } from "../../engine/io/host.js";
import { OnnxGraph } from "../../engine/io/onnx.js";
import { GroupNorm, Module } from "../../engine/nn.js";
import { unets, vqgans } from "../../models/configs.js";
import { backbones } from "../../models/iresnet.js";
import { attention, groupNorm, permute } from "../../models/onnx-layers.js";
import { recogniserGraph } from "../../models/onnx-recogniser.js";
import { decoderGraph } from "../../models/onnx-vqgan.js";
import { sinusoids } from "../../models/time_embedding.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";
import { input, NotThere, timeSteps, weight } from "./inputs.js";
import { IR_SIDE } from "./nets.js";
import { unetGraph } from "./onnx-unet.js";
import type { Task } from "./protocol.js";

export interface TaskGraph {
  graph: OnnxGraph;
  /** A weight by its name. */
  read(name: string): HostTensor;
  inputs: readonly Fed[];
}

/** What is put in at each run. */
interface Fed {
  name: string;
  dims: readonly number[];
  values: Float32Array<ArrayBuffer>;
}

const fed = (name: string, dims: readonly number[], values = input(name, dims)): Fed => ({ name, dims, values });

/** The task's graph; throws NotThere for a training step, which ONNX Runtime Web cannot do. */
export function graphOf(task: Task): TaskGraph {
  switch (task.op) {
    case "matmul": {
      const dims = [task.n, task.n];
      return opGraph([fed("a", dims), fed("b", dims)], dims, (g) => g.node("MatMul", ["a", "b"]));
    }
    case "conv":
      return convGraph(task);
    case "attention": {
      const dims = [task.heads, task.L, task.D];
      return opGraph(
        ["q", "k", "v"].map((name) => fed(name, dims)),
        dims,
        (g) => attentionOf(g, task.D),
      );
    }
    case "softmax": {
      const dims = [task.rows, task.cols];
      return opGraph([fed("x", dims)], dims, (g) => g.node("Softmax", ["x"], { axis: { i: -1 } }));
    }
    case "groupNorm":
      return groupNormGraph(task);
    case "decode": {
      const net = new VqGan(vqgans[task.size === "paper" ? "vq-f4" : "tiny"]);
      const graph = decoderGraph("decode", net, { codes: true });
      return { graph, read: weightsOf(net), inputs: [renamed("codes", "z", [1, 3, task.side, task.side])] };
    }
    case "ir": {
      const net = backbones[task.net](0);
      const graph = recogniserGraph(task.net, net, {});
      return { graph, read: weightsOf(net), inputs: [fed("image", [task.B, 3, IR_SIDE, IR_SIDE])] };
    }
    case "unet":
      if (!task.steps) return unet(task.size, task.B);
  }
  throw new NotThere(task, "ONNX Runtime Web");
}

/** y = -x of one number. */
export const smallestGraph = (): TaskGraph => opGraph([fed("x", [1])], [1], (g) => g.node("Neg", ["x"]));

/** An input whose numbers have another name. */
const renamed = (name: string, of: string, dims: readonly number[]): Fed => fed(name, dims, input(of, dims));

/** A graph of one operation, or a few. */
function opGraph(inputs: readonly Fed[], dims: readonly number[], make: (g: OnnxGraph) => string): TaskGraph {
  const graph = new OnnxGraph("task");
  for (const { name, dims } of inputs) graph.input(name, dims);
  graph.output("y", make(graph), dims);
  return { graph, read: (name) => given(name, graph.initialisers.get(name)!.shape), inputs };
}

/** A weight that another engine has as an input of this name. */
const given = (name: string, shape: readonly number[]): HostTensor => ({
  shape: [...shape],
  dtype: "f32",
  data: input(
    name,
    shape.filter((n, i) => n > 1 || i === 0),
  ),
});

/** The weights of a net by their keys; a graph may ask for them in another shape. */
function weightsOf(net: Module): (name: string) => HostTensor {
  const shapes = new Map(net.entries().map(([key, { shape }]) => [key, shape]));
  return (name) => {
    const shape = shapes.get(name)!;
    return { shape: [...shape], dtype: "f32", data: weight(name, shape) };
  };
}

/** The filter is in the file, as in a net: the runtime may bring it into any order when it loads. */
function convGraph({ B, I, O, side }: Extract<Task, { op: "conv" }>): TaskGraph {
  const attributes = { kernel_shape: { ints: [3, 3] }, strides: { ints: [1, 1] }, pads: { ints: [1, 1, 1, 1] } };
  return opGraph([fed("x", [B, I, side, side])], [B, O, side, side], (g) =>
    g.node("Conv", ["x", g.weight("w", [O, I, 3, 3])], attributes),
  );
}

/** Tokens by rows: (heads, L, D). */
function attentionOf(g: OnnxGraph, D: number): string {
  const [q, k, v] = ["q", "k", "v"].map((name) => permute(g, name, [0, 2, 1])) as [string, string, string];
  return permute(g, attention(g, [q, k, v], D ** -0.5), [0, 2, 1]);
}

/** As `uiface export` writes it. */
function groupNormGraph({ B, C, side, groups }: Extract<Task, { op: "groupNorm" }>): TaskGraph {
  class Net extends Module {
    readonly norm = new GroupNorm(groups, C);
  }
  const net = new Net();
  net.entries(); // names the parameters
  const x = fed("x", [B, C, side, side]);
  const made = opGraph([x], x.dims, (g) => groupNorm(g, "x", net.norm));
  const read = (name: string): HostTensor => ({
    shape: [C],
    dtype: "f32",
    data: input(name === "norm.weight" ? "w" : "b", [C]),
  });
  return { ...made, read };
}

/** The paper's net, or one of the miniature's size that predicts noise. */
function unet(size: "paper" | "tiny", B: number): TaskGraph {
  const config = size === "paper" ? unets.unet_cond_ca_cpd25_uncond20 : { ...unets.tiny, predicts: "noise" as const };
  const side = size === "paper" ? 32 : 16;
  const net = new UNet(config);
  const waves = config.initial_channels;
  const inputs = [
    fed("x", [B, 3, side, side]),
    fed("waves", [B, waves], sinusoids(timeSteps(B), waves / 2) as Float32Array<ArrayBuffer>),
    fed("context", [B, config.context_input_channels]),
  ];
  return { graph: unetGraph(net), read: weightsOf(net), inputs };
}
