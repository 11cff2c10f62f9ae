// Runs a mutant against the tests of its kernels: those of the files that are nearest to the kernels' hosts, and the others
// where these are few. A file's tests are run once without a change when they are first needed: which kernels they run, how
// long they take, and whether they pass at all.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bundle, TestFile } from "./bundle.js";
import { type Mutant, mutate } from "./mutate.js";
import type { Shaders } from "./shaders.js";
import { Hung, type Reply, WorkerProcess } from "./worker-process.js";

/** `replaced`: in a constant that every launch replaces, so it changes nothing. */
export type Fate = "caught" | "hung" | "survived" | "does not compile" | "replaced";

export interface Result {
  mutant: Mutant;
  fate: Fate;
  /** The test that failed, the compiler's message, or what was tried. */
  by: string;
}

interface Test {
  index: number;
  name: string;
  ms: number;
  kernels: Record<string, string[]>;
  /** Mutants of the file at hand that it has caught. */
  kills: number;
}

/** The clean run's limit for a test. */
const CLEAN_MS = 60_000;
/** A test file of more than this is left as soon as it has enough tests of the kernels at hand. */
const LONG_MS = 15_000;
/** Sets of constants whose compilation is tried first; an error in another shows in the test that compiles it. */
const TRIED_SETS = 12;

export class Runner {
  private readonly worker: WorkerProcess;
  /** What the clean run found of each file, and where in the list of all tests it stopped. */
  private readonly known = new Map<TestFile, { tests: Test[]; next: number; ms: number }>();
  private readonly namedIn = new Map<string, Set<string>>();
  private changed: string | undefined;

  constructor(
    private readonly shaders: Shaders,
    private readonly bundle: Bundle,
    root: string,
    /** Milliseconds of tests, by their clean run, that a mutant must survive. */
    private readonly patienceMs: number,
    /** How many tests are enough to leave out those of files further away. */
    private readonly enough: number,
    private readonly log: (line: string) => void,
  ) {
    this.worker = new WorkerProcess(
      bundle.worker,
      bundle.tests.map((t) => t.path),
    );
    for (const path of new Set(bundle.tests.flatMap((t) => [...t.distance.keys()]))) {
      for (const [, name] of readFileSync(join(root, path), "utf8").matchAll(/["`]([a-z]\w*)["`]/g)) {
        const files = this.namedIn.get(name!) ?? new Set();
        this.namedIn.set(name!, files.add(path));
      }
    }
  }

  async run(mutant: Mutant): Promise<Result> {
    if (this.changed !== mutant.file) await this.restore();
    const affected = this.shaders.kernelsOf(mutant.file);
    let left = this.patienceMs;
    let tried = 0;
    for (const files of this.rings(affected)) {
      await this.cleanRun(files, affected);
      const tests = files
        .flatMap((f) => this.known.get(f)!.tests)
        .filter((t) => affected.some((kernel) => kernel in t.kernels));
      if (!tests.length) continue;
      if (this.isReplaced(mutant, affected)) return { mutant, fate: "replaced", by: "" };
      try {
        const put = await this.put(mutant.file, mutate(this.shaders.texts.get(mutant.file)!, mutant), affected);
        if (!put.ok) return { mutant, fate: "does not compile", by: firstLine(put.error) };
        tests.sort((a, b) => b.kills - a.kills || a.ms - b.ms);
        const chosen: Test[] = [];
        for (const test of tests) {
          if (left <= 0) break;
          chosen.push(test);
          left -= test.ms;
        }
        tried += chosen.length;
        const result = await this.against(mutant, chosen);
        if (result) return result;
      } catch (error) {
        if (error instanceof Hung) return { mutant, fate: "hung", by: error.message };
        throw error;
      }
      if (left <= 0 || tried >= this.enough) break;
    }
    return { mutant, fate: "survived", by: tried ? `${tried} tests` : "no test runs it" };
  }

  stop(): void {
    this.worker.stop();
  }

  private async against(mutant: Mutant, tests: readonly Test[]): Promise<Result | undefined> {
    for (const test of tests) {
      const reply = await this.worker.ask({ type: "test", index: test.index }, 3000 + 8 * test.ms);
      if (reply.ok) continue;
      if (/^(?:shaders\/|common\/|WebGPU: )/.test(reply.error ?? ""))
        return { mutant, fate: "does not compile", by: firstLine(reply.error) };
      test.kills++;
      return { mutant, fate: "caught", by: `${test.name}: ${firstLine(reply.error)}` };
    }
    return undefined;
  }

  /** Test files that can reach a kernel: for each kernel the nearest ones, then all others. */
  private rings(kernels: readonly string[]): TestFile[][] {
    const near = new Set<TestFile>();
    const far = new Set<TestFile>();
    for (const kernel of kernels) {
      const hosts = new Set(this.namedIn.get(kernel) ?? []);
      const host = this.shaders.hostOf(kernel);
      if (host) hosts.add(host);
      const distance = ({ distance }: TestFile) =>
        Math.min(...[...hosts].map((h) => distance.get(h) ?? Number.POSITIVE_INFINITY));
      const reaching = this.bundle.tests.filter((t) => Number.isFinite(distance(t)));
      const least = Math.min(...reaching.map(distance));
      for (const t of reaching) (distance(t) === least ? near : far).add(t);
    }
    return [[...near], [...far].filter((t) => !near.has(t))];
  }

  /** Runs the files' tests as the shaders stand, those that were not run before and are needed. */
  private async cleanRun(files: readonly TestFile[], kernels: readonly string[]): Promise<void> {
    for (const file of files) {
      const known = this.known.get(file) ?? { tests: [], next: 0, ms: 0 };
      this.known.set(file, known);
      const covers = () => kernels.every((k) => known.tests.filter((t) => k in t.kernels).length >= this.enough);
      const all = await this.worker.start();
      for (; known.next < all.length && !(known.ms > LONG_MS && covers()); known.next++) {
        const { file: owner, name } = all[known.next]!;
        if (owner !== file.path) continue;
        await this.restore();
        const reply = await this.worker.ask({ type: "test", index: known.next }, CLEAN_MS).catch(asReply);
        const { ms = 0, kernels = {} } = reply;
        known.ms += ms;
        if (!reply.ok) this.log(`not used, fails without a change: ${name}: ${firstLine(reply.error)}`);
        else if (Object.keys(kernels).length) known.tests.push({ index: known.next, name, ms, kernels, kills: 0 });
      }
    }
  }

  private isReplaced({ constant }: Mutant, kernels: readonly string[]): boolean {
    if (!constant) return false;
    const sets = kernels.flatMap((kernel) => [...this.constantsOf(kernel)]);
    return sets.length > 0 && sets.every((set) => constant in (JSON.parse(set) as object));
  }

  /** The changed file as it stands on disk again. */
  private async restore(): Promise<void> {
    const path = this.changed;
    if (path === undefined) return;
    await this.put(path, this.shaders.texts.get(path)!, this.shaders.kernelsOf(path), 0);
    this.changed = undefined;
    for (const { tests } of this.known.values()) for (const test of tests) test.kills = 0;
  }

  private async put(path: string, text: string, kernels: readonly string[], most = TRIED_SETS): Promise<Reply> {
    this.changed = path;
    let left = most;
    const sets = kernels.map((name): [string, string[]] => {
      const some = [...this.constantsOf(name)].slice(0, Math.min(left, 3));
      left -= some.length;
      return [name, some];
    });
    return this.worker.ask({ type: "put", path, text, kernels: Object.fromEntries(sets) }, CLEAN_MS);
  }

  private constantsOf(kernel: string): Set<string> {
    return new Set([...this.known.values()].flatMap((k) => k.tests).flatMap((t) => t.kernels[kernel] ?? []));
  }
}

const firstLine = (text = ""): string => text.split("\n", 1)[0]!;

function asReply(error: unknown): Reply {
  if (error instanceof Hung) return { ok: false, error: error.message };
  throw error;
}
