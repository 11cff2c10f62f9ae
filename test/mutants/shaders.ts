// The kernels of shaders/, what they import, and the mutants of each file.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Mutant, mutantsOf } from "./mutate.js";

/**
 * A picture has no right answer: whether a lip is 0.47 or 0.52 wide is taste, and no test should say. Nor has a kernel whose
 * time alone is of interest, on adapters with features that no software adapter has. These are run only when they are named.
 */
const NO_ANSWER = /^(?:draw_face|bench_\w+|common\/(?:face_\w+|sdf|noise))\.wgsl$/;

export class Shaders {
  /** By path below shaders/. */
  readonly texts = new Map<string, string>();

  constructor(root: string) {
    for (const folder of ["", "common"]) {
      for (const name of readdirSync(join(root, "shaders", folder)).sort()) {
        if (name.endsWith(".wgsl"))
          this.texts.set(join(folder, name), readFileSync(join(root, "shaders", folder, name), "utf8"));
      }
    }
  }

  /** The files that a request names: a stem with what begins with it, or all. */
  select(stems: readonly string[]): string[] {
    const files = [...this.texts.keys()];
    if (!stems.length) return files.filter((file) => !NO_ANSWER.test(file));
    return stems.flatMap((stem) => {
      const found = files.filter((file) => {
        const name = file.replace(/^common\//, "").replace(/\.wgsl$/, "");
        return name === stem || name.startsWith(`${stem}_`) || file === stem || file === `${stem}.wgsl`;
      });
      if (!found.length)
        throw new Error(
          `No shader is called ${stem}. There are: ${files.map((f) => f.replace(".wgsl", "")).join(", ")}.`,
        );
      return found;
    });
  }

  /** The kernels that a change of the file reaches: itself, or all that import it. */
  kernelsOf(file: string): string[] {
    const kernels = [...this.texts.keys()].filter((f) => !f.startsWith("common/"));
    return kernels.filter((f) => this.imports(f).has(file)).map((f) => f.replace(/\.wgsl$/, ""));
  }

  mutants(file: string): Mutant[] {
    return mutantsOf(file, this.texts.get(file)!);
  }

  /** The file that the header's slot names as the kernel's host. */
  hostOf(kernel: string): string | undefined {
    return /\bHost +(\S+\.ts)/.exec(this.texts.get(`${kernel}.wgsl`) ?? "")?.[1];
  }

  private imports(file: string, into = new Set<string>()): Set<string> {
    into.add(file);
    for (const [, path] of (this.texts.get(file) ?? "").matchAll(/^\s*\/\/ @import (\S+)/gm)) this.imports(path!, into);
    return into;
  }
}
