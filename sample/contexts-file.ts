// Identity embeddings from a file: what `uiface sample --contexts` takes.

import { FileError, UsageError } from "../engine/errors.js";
import { elementCount, toFloat32 } from "../engine/io/host.js";
import { openTensors } from "../engine/io/open.js";
import { unit } from "../evaluate/embed.js";
import type { Contexts } from "./generate.js";

/**
 * The first `identities` contexts of a file, each scaled to length 1 as the official sampler does. The file is one matrix (N, dim),
 * or vectors by name, as IDiff-Face stores its embeddings; they count in the order of the file.
 */
export async function readContexts(path: string, identities: number, dim: number): Promise<Contexts> {
  const file = await openTensors(path);
  const shapes = file.names.map((name) => file.info(name).shape);
  const [first] = shapes;
  const matrix = shapes.length === 1 && first!.length === 2 && first![1] === dim;
  if (!matrix && (!first || shapes.some((shape) => shape.at(-1) !== dim || elementCount(shape) !== dim))) {
    const what = shapes.length === 1 ? `(${first!.join(", ")})` : `${shapes.length} tensors`;
    throw new FileError(
      `${path} is ${what}, but this net takes contexts of shape (N, ${dim}).\nGive embeddings by the recogniser that the net was trained with.`,
    );
  }
  const count = matrix ? first![0]! : shapes.length;
  if (count < identities)
    throw new UsageError(`${path} holds ${count} identities, ${identities} are wanted. Use --identities ${count}.`);
  const rows = new Float32Array(identities * dim);
  for (const [i, name] of (matrix ? file.names : file.names.slice(0, identities)).entries())
    rows.set(toFloat32(file.read(name).data).subarray(0, rows.length), i * dim);
  return { rows: Float32Array.from(unit(rows, dim)), dim };
}
