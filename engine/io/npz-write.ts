// Writes NumPy's .npz: a zip of .npy files, one a tensor, as numpy.savez does (stored, not compressed).

import { FileError } from "../errors.js";
import { type Outgoing, outgoingBytes } from "./encode.js";
import { npyStart } from "./npy.js";
import { show } from "./tensor-file.js";
import { writeZip } from "./zip-write.js";

/** Writes the arrays atomically, one in memory at a time. NumPy has no bf16 and no f8. */
export async function writeNpz(path: string, tensors: ReadonlyMap<string, Outgoing>): Promise<void> {
  await writeZip(
    path,
    [...tensors].map(([name, tensor]) => ({
      name: `${name}.npy`,
      bytes: async () => {
        const start = npyStart(tensor.shape, tensor.dtype);
        if (!start)
          throw new FileError(
            `${path} was not written: ${show(name)} is ${tensor.dtype}, which NumPy lacks.\nStore it as f32.`,
          );
        return Buffer.concat([start, await outgoingBytes(path, name, tensor)]);
      },
    })),
  );
}
