// Weight files of nets: safetensors under PyTorch's keys.

import { openSafetensors, writeSafetensors } from "../engine/io/safetensors.js";
import type { Module } from "../engine/nn.js";
import { hostValues, type Part } from "../engine/state.js";

/** Loads every tensor of `net` from a .safetensors file; nothing is loaded unless all fit. Returns the file's metadata. */
export function loadWeights(net: Module, path: string): ReadonlyMap<string, string> {
  const file = openSafetensors(path);
  net.load(file);
  return file.metadata;
}

/** Writes a net, or its averages, whole or not at all. `f16` halves the file and rounds to eleven bits. */
export async function saveWeights(
  part: Pick<Part, "stateDict">,
  path: string,
  metadata: Record<string, string>,
  float: "f32" | "f16" = "f32",
): Promise<void> {
  writeSafetensors(path, await hostValues(part), { metadata, float });
}
