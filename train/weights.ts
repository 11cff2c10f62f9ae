// Weight files of nets: safetensors under PyTorch's keys.

import { writeSafetensors } from "../engine/io/safetensors.js";
import { hostValues, type Part } from "../engine/state.js";

/** Writes a net, or its averages, whole or not at all. `f16` halves the file and rounds to eleven bits. */
export async function saveWeights(
  part: Pick<Part, "stateDict">,
  path: string,
  metadata: Record<string, string>,
  float: "f32" | "f16" = "f32",
): Promise<void> {
  writeSafetensors(path, await hostValues(part), { metadata, float });
}
