// Results of an earlier run, a line of JSON each: a run of an hour goes on where it was stopped.

import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import type { Mutant } from "./mutate.js";
import type { Fate, Result } from "./run.js";

interface Line {
  id: string;
  /** Of the file's text: what was found about another text is forgotten. */
  text: string;
  fate: Fate;
  by: string;
}

export class KeptResults {
  private readonly known = new Map<string, Line>();

  /**
   * @param path    of the file; undefined: nothing is kept
   * @param texts   of the shaders, by path
   */
  constructor(
    private readonly path: string | undefined,
    private readonly texts: ReadonlyMap<string, string>,
  ) {
    if (!path || !existsSync(path)) return;
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1); // the last one is empty, or was not finished
    for (const line of lines.map((text) => JSON.parse(text) as Line)) this.known.set(line.id, line);
  }

  get(mutant: Mutant): Result | undefined {
    const found = this.known.get(mutant.id);
    if (found?.text !== this.hashOf(mutant.file)) return undefined;
    return { mutant, fate: found.fate, by: found.by };
  }

  add({ mutant, fate, by }: Result): void {
    if (!this.path) return;
    const line: Line = { id: mutant.id, text: this.hashOf(mutant.file), fate, by };
    appendFileSync(this.path, `${JSON.stringify(line)}\n`);
  }

  private hashOf(file: string): string {
    return createHash("sha256").update(this.texts.get(file)!).digest("hex").slice(0, 16);
  }
}
