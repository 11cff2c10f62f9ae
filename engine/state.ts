// What a save holds of one thing (a net, an optimiser, an average): its tensors by name.

import { FileError } from "./errors.js";
import { type HostArray, type HostTensor, toFloat32 } from "./io/host.js";
import { sameShape, show, type Tensor } from "./tensor.js";

/** Something that a save can hold: nets, optimisers and averages are parts. */
export interface Part {
  /** Its tensors by name; they belong to the part. */
  stateDict(): Map<string, Tensor>;
  /** Takes the values of a save; throws before anything is changed if a tensor is missing, unknown or of another shape. */
  load(values: ReadonlyMap<string, HostTensor>): unknown;
}

/**
 * Writes `values` into `targets`, all or none.
 *
 * @param what    how the message calls the receiver, e.g. "the Adam state"
 * @throws        FileError that lists what is missing, unknown or of another shape
 */
export function loadInto(
  targets: ReadonlyMap<string, Tensor>,
  values: ReadonlyMap<string, HostTensor>,
  what: string,
): void {
  const missing = [...targets.keys()].filter((name) => !values.has(name));
  const unknown = [...values.keys()].filter((name) => !targets.has(name));
  const misfits = [...targets].filter(([name, x]) => values.has(name) && !sameShape(x.shape, values.get(name)!.shape));
  if (missing.length || unknown.length || misfits.length) {
    const fitting = targets.size - missing.length - misfits.length;
    throw new FileError(`The values do not fit ${what}: ${fitting} of ${targets.size} tensors match.
  missing  ${brief(missing)}
  unknown  ${brief(unknown)}
  shapes   ${brief(misfits.map(([name, x]) => `${name} is ${show(x)}, the file has ${show(values.get(name)!.shape)}`))}
Nothing was loaded. Use the settings that the file was saved with.`);
  }
  for (const [name, x] of targets) {
    const { data } = values.get(name)!;
    x.write(x.dtype === "f32" ? toFloat32(data) : Array.from(data as ArrayLike<number | bigint>, Number));
  }
}

const brief = (names: string[]): string =>
  names.length === 0 ? "-" : names.slice(0, 4).join(", ") + (names.length > 4 ? `, and ${names.length - 4} more` : "");

/** Reads everything a part would save, in PyTorch's order of elements. */
export async function hostValues(part: Pick<Part, "stateDict">): Promise<[string, HostTensor][]> {
  const values: [string, HostTensor][] = [];
  for (const [name, x] of part.stateDict()) {
    values.push([name, { shape: [...x.shape], dtype: x.dtype, data: (await x.read()) as HostArray }]);
  }
  return values;
}
