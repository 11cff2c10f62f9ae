// NumPy's .npz: a zip of .npy files, stored or deflated. Headers are read at once, values when they are asked for.

import type { HostText } from "./npy.js";
import { openAny } from "./npy.js";
import { refusal, zipReasons } from "./refusals.js";
import type { Source } from "./source.js";
import { type Lazy, LazyTensors } from "./tensor-file.js";
import { inflate, type Member, memberSource } from "./zip.js";

/** Numbers are tensors; arrays of texts are read by `readText`. */
export class Npz extends LazyTensors {
  readonly #texts: ReadonlyMap<string, () => HostText>;

  constructor(path: string, tensors: ReadonlyMap<string, Lazy>, texts: ReadonlyMap<string, () => HostText>) {
    const metadata = [...texts.keys()].map((name) => [name, "an array of texts"] as const);
    super(path, "npz", tensors, new Map(metadata));
    this.#texts = texts;
  }

  /** Names of the arrays of texts. */
  get texts(): string[] {
    return [...this.#texts.keys()];
  }

  readText(name: string): HostText | undefined {
    return this.#texts.get(name)?.();
  }
}

export function openNpz(source: Source, members: ReadonlyMap<string, Member>): Npz {
  const tensors = new Map<string, Lazy>();
  const texts = new Map<string, () => HostText>();
  for (const member of members.values()) {
    if (!member.name.endsWith(".npy")) refusal(source.name, "npz")(zipReasons.noArray(member.name));
    const name = member.name.slice(0, -".npy".length);
    const array = openAny(memberSource(source, member));
    if (array.dtype === "text") texts.set(name, () => checked(source, member, array.read));
    else tensors.set(name, { ...array, read: () => checked(source, member, array.read) });
  }
  return new Npz(source.name, tensors, texts);
}

/** Stored members are read as they lie, so that their checksum is looked at here; deflated ones are checked unpacked. */
function checked<T>(source: Source, member: Member, read: () => T): T {
  if (!member.deflated) inflate(source, member);
  return read();
}
