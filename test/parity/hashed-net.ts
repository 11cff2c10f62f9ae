// Nets whose golden weights are param_value with a twist: a prefix before the names, convolutions times a gain, the non-negative
// weights of LPIPS. What the twist is, the golden files say in words of a fixed form.

import type { HostTensor } from "../../engine/io/host.js";
import type { Module, Weights } from "../../engine/nn.js";
import { Lpips } from "../../models/lpips.js";
import { type Golden, hashed, paramValue } from "../golden.js";
import { ensureDevice } from "./nets.js";

type Value = (name: string, shape: readonly number[]) => Float32Array;

/** 'param_value(TAG+"inception."+name), every conv weight then times sqrt(2) in float32' as a function of the name. */
export function hashedValue(golden: Golden, key: string): Value {
  const words = golden.meta(key);
  const prefix = /param_value\(TAG\+"([^"]*)"\+name\)/.exec(words)?.[1] ?? "";
  const gain = Math.fround(Math.sqrt(Number(/every conv weight then times sqrt\(([\d.]+)\)/.exec(words)?.[1] ?? 1)));
  return (name, shape) => {
    const value = paramValue(golden.tag + prefix + name, shape);
    return shape.length === 4 ? value.map((w) => w * gain) : value;
  };
}

/** Gives every parameter and buffer its value, by its name. */
export async function filled<N extends Module>(net: N, value: Value): Promise<N> {
  await ensureDevice();
  for (const [name, p] of net.entries()) p.write(value(name, p.shape) as Float32Array<ArrayBuffer>);
  return net;
}

/** LPIPS with the weights that `golden` describes, frozen; they come under torchvision's names, as published files have them. */
export async function goldenLpips(golden: Golden): Promise<Lpips> {
  await ensureDevice();
  const conv = hashedValue(golden, "weights");
  const [, scale, shift] = /([\d.]+)\*hashed\(TAG\+name\)\+([\d.]+)/.exec(golden.meta("weights"))!.map(Number);
  const net = new Lpips();
  const shapes = new Map(
    net.entries().map(([name, { shape }]) => [name.replace(/^net\.slice\d\./, "features."), shape]),
  );
  const read = (name: string): HostTensor => {
    const shape = shapes.get(name)!;
    const data = name.startsWith("lin") ? hashed(golden.tag + name, shape, scale, shift) : conv(name, shape);
    return { shape: [...shape], dtype: "f32", data: data as Float32Array<ArrayBuffer> };
  };
  const from: Weights = {
    names: [...shapes.keys()],
    info: (name) => ({ shape: shapes.get(name)!, dtype: "f32" }),
    read,
  };
  return net.load([from]).freeze();
}
