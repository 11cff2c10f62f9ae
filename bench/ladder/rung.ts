// A ladder: one operation in several kernels, from the formula to the one that the engine uses, a sentence each. Checked before timed,
// like every benchmark. shaders/ladder/ holds the rungs; their headers hold the sentences.

import { kernel, type Launch, type Params } from "../../engine/shader.js";
import { shaderSource } from "../../engine/source.js";
import type { Tensor } from "../../engine/tensor.js";
import type { Case } from "../case.js";

/** What the rungs of a ladder have in common. */
export type Task = Pick<Case, "work" | "allowed" | "check">;

/** A kernel of shaders/ladder/ as a row. `make`: the tensor it writes, called `y` there. */
export function rung(
  name: string,
  task: Task,
  {
    tensors,
    make,
    params,
    launch,
  }: { tensors: Record<string, Tensor>; make: () => Tensor; params: Params; launch: Launch },
): Case {
  return {
    ...task,
    name,
    why: sentenceOf(name),
    run: () => {
      const y = make();
      kernel(`ladder/${name}`).run({ ...tensors, y }, params, launch);
      return y;
    },
  };
}

/** The slot `Rung` of a kernel's header. */
export function sentenceOf(name: string): string {
  const slot = /\/\/ Rung +([\s\S]+?)\n\/\/ [A-Z]/.exec(shaderSource(`ladder/${name}.wgsl`));
  return (slot?.[1] ?? "").replace(/\n\/\/ +/g, " ");
}
