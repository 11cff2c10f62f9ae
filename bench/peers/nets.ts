// The nets that engines without ours or PyTorch's modules build by hand: sizes, parameters by key, and the recogniser's order of
// layers. nets.py has the same.

import type { IrName } from "./protocol.js";

/** A convolution of the small net: 3x3, padding 1. */
interface SmallConv {
  inputs: number;
  outputs: number;
  stride: number;
}

/** Five convolutions with a ReLU each, the mean of every channel, a linear layer: 0.058 GFLOP an image of 32 x 32. */
export const smallConvs: readonly SmallConv[] = [
  { inputs: 3, outputs: 32, stride: 1 },
  { inputs: 32, outputs: 64, stride: 2 },
  { inputs: 64, outputs: 64, stride: 1 },
  { inputs: 64, outputs: 128, stride: 2 },
  { inputs: 128, outputs: 128, stride: 1 },
];
export const SMALL_CLASSES = 10;

/** The small net's parameters by key, with shapes. */
export const smallParameters = (): [string, number[]][] => [
  ...smallConvs.flatMap(({ inputs, outputs }, i): [string, number[]][] => [
    [`conv${i}.weight`, [outputs, inputs, 3, 3]],
    [`conv${i}.bias`, [outputs]],
  ]),
  ["head.weight", [SMALL_CLASSES, smallConvs.at(-1)!.outputs]],
  ["head.bias", [SMALL_CLASSES]],
];

/** A residual block of the IR nets in training: channels, stride. */
interface IrBlock {
  key: string;
  inputs: number;
  outputs: number;
  stride: number;
}

const IR_STAGES: Record<IrName, number[]> = { ir_18: [2, 2, 2, 2], ir_50: [3, 4, 14, 3] };
const IR_WIDTHS = [64, 128, 256, 512];
export const IR_SIDE = 112;
/** Of the last maps, and the features that come out. */
const IR_LAST = 7;
export const IR_FEATURES = 512;

/** Block by block as models/iresnet.ts has them. */
function irBlocks(net: IrName): IrBlock[] {
  const sizes = IR_STAGES[net].flatMap((count, s) =>
    Array.from({ length: count }, (_, n) => ({
      inputs: n ? IR_WIDTHS[s]! : IR_WIDTHS[Math.max(0, s - 1)]!,
      outputs: IR_WIDTHS[s]!,
      stride: n ? 1 : 2,
    })),
  );
  return sizes.map((size, i) => ({ key: `body.${i}`, ...size }));
}

/** Trained parameters of an IR net by key, with shapes; without its head. */
export function irParameters(net: IrName): [string, number[]][] {
  const norm = (key: string, channels: number): [string, number[]][] => [
    [`${key}.weight`, [channels]],
    [`${key}.bias`, [channels]],
  ];
  const last = IR_WIDTHS.at(-1)!;
  return [
    ["input_layer.0.weight", [IR_WIDTHS[0]!, 3, 3, 3]],
    ...norm("input_layer.1", IR_WIDTHS[0]!),
    ["input_layer.2.weight", [IR_WIDTHS[0]!]],
    ...norm("output_layer.0", last),
    ["output_layer.3.weight", [IR_FEATURES, last * IR_LAST ** 2]],
    ["output_layer.3.bias", [IR_FEATURES]],
    ...irBlocks(net).flatMap((block) => irBlockParameters(block, norm)),
  ];
}

function irBlockParameters(
  { key, inputs, outputs }: IrBlock,
  norm: (key: string, channels: number) => [string, number[]][],
): [string, number[]][] {
  const short: [string, number[]][] = [
    [`${key}.shortcut_layer.0.weight`, [outputs, inputs, 1, 1]],
    ...norm(`${key}.shortcut_layer.1`, outputs),
  ];
  return [
    ...norm(`${key}.res_layer.0`, inputs),
    [`${key}.res_layer.1.weight`, [outputs, inputs, 3, 3]],
    ...norm(`${key}.res_layer.2`, outputs),
    [`${key}.res_layer.3.weight`, [outputs]],
    [`${key}.res_layer.4.weight`, [outputs, outputs, 3, 3]],
    ...norm(`${key}.res_layer.5`, outputs),
    ...(inputs === outputs ? [] : short),
  ];
}

/** And a linear head over `classes`. */
export const irStepParameters = (net: IrName, classes: number): [string, number[]][] => [
  ...irParameters(net),
  ["head.weight", [classes, IR_FEATURES]],
  ["head.bias", [classes]],
];

/** What `irMaps` needs of an engine whose arrays are A; a layer finds its parameters by their keys. */
export interface IrLayers<A> {
  conv(x: A, key: string, stride?: number, pad?: 0 | 1): A;
  /** With the batch's statistics. */
  norm(x: A, key: string): A;
  prelu(x: A, key: string): A;
  /** Every `stride`-th pixel. */
  thinned(x: A, stride: number): A;
  add(a: A, b: A): A;
  /** x for another reader, where reading gives it away. */
  again(x: A): A;
}

/** An IR net in training mode up to its last normalised maps: images of 112 x 112 to 512 maps of 7 x 7. */
export function irMaps<A>(net: IrName, on: IrLayers<A>, x: A): A {
  let h = on.prelu(on.norm(on.conv(x, "input_layer.0"), "input_layer.1"), "input_layer.2");
  for (const { key, inputs, outputs, stride } of irBlocks(net)) {
    const [res, short] = [(n: number) => `${key}.res_layer.${n}`, (n: number) => `${key}.shortcut_layer.${n}`];
    const kept = on.again(h);
    const side = inputs === outputs ? on.thinned(kept, stride) : on.norm(on.conv(kept, short(0), stride, 0), short(1));
    const inner = on.prelu(on.norm(on.conv(on.norm(h, res(0)), res(1)), res(2)), res(3));
    h = on.add(on.norm(on.conv(inner, res(4), stride), res(5)), side);
  }
  return on.norm(h, "output_layer.0");
}
