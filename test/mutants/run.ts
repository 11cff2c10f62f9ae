// Runs mutants against the tests of their kernels: those of the files that are nearest to the kernels' hosts, then those one
// import further away. A test is run once without a change when it is first needed: which kernels it runs, how long
// it takes, and whether it passes at all.
//
// The verdict does not depend on the clock or on the order of mutants: one that survives has met every near test of its
// kernels.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bundle, TestFile } from "./bundle.js";
import { type Mutant, mutate } from "./mutate.js";
import type { Shaders } from "./shaders.js";
import { Hung, type Reply, WorkerProcess } from "./worker-process.js";

/** `replaced`: in a constant that every launch replaces, so it changes nothing. */
export type Fate = "killed" | "hung" | "survived" | "does not compile" | "replaced";

export interface Result {
  mutant: Mutant;
  fate: Fate;
  /** The test that failed, the compiler's message, or what was tried. */
  by: string;
}

interface Test {
  file: string;
  index: number;
  name: string;
  /** What the clean run found; undefined before it. */
  clean: Clean | undefined;
  /** By file: milliseconds of the processor's time with what the file is part of compiled anew. */
  costs: Map<string, number>;
  /** Mutants of the file at hand that it has met, and killed. */
  tries: number;
  kills: number;
}

interface Clean {
  passes: boolean;
  /** Kernels that it runs, with the sets of constants (JSON). */
  kernels: Record<string, readonly string[]>;
}

/** The clean run's limit. */
const CLEAN_MS = 60_000;
/** A mutant's limit, in a process that has compiled all other kernels of the test. */
const limitOf = (cost: number): number => 2500 + 8 * cost;
/** After so many tests that all replace a constant it is believed that every launch does. */
const REPLACED = 3;

export class Runner {
  private readonly worker: WorkerProcess;
  private readonly tests = new Map<string, Test[]>();
  private readonly namedIn: ReadonlyMap<string, ReadonlySet<string>>;
  /** What stands in a file's place, and in which of the worker's lives. */
  private placed: { file: string; text: string; life: number } | undefined;
  /** Tests that the worker has run in its present life. */
  private warm = { life: 0, tests: new Set<Test>() };

  constructor(
    private readonly shaders: Shaders,
    private readonly bundle: Bundle,
    root: string,
    /** Also the files further away. */
    private readonly thorough: boolean,
    /** Tests that a mutant meets at most: the likeliest to notice it come first. */
    private readonly most: number,
    private readonly log: (line: string) => void,
  ) {
    this.worker = new WorkerProcess(bundle.worker);
    this.namedIn = filesThatName(bundle, root);
  }

  async run(mutant: Mutant): Promise<Result> {
    const kernels = this.shaders.kernelsOf(mutant.file);
    let [tried, blind] = [0, 0];
    for (const files of this.rings(kernels)) {
      for (const test of await this.inOrder(files, kernels)) {
        const { passes, kernels: runs } = await this.clean(test, mutant.file);
        if (!passes || !kernels.some((k) => k in runs)) continue;
        if (replaces(runs, mutant, kernels)) {
          if (++blind >= REPLACED && !tried) return { mutant, fate: "replaced", by: `${mutant.constant}` };
          continue;
        }
        if (tried >= this.most) return { mutant, fate: "survived", by: `${tried} tests, no more were asked` };
        tried++;
        const failed = await this.against(mutant, test);
        if (failed) return failed;
      }
    }
    if (blind && !tried) return { mutant, fate: "replaced", by: `${mutant.constant}` };
    return { mutant, fate: "survived", by: tried ? `${tried} tests` : "no test runs it" };
  }

  stop(): void {
    this.worker.stop();
  }

  /** Undefined if the test passes. */
  private async against(mutant: Mutant, test: Test): Promise<Result | undefined> {
    if (!this.isWarm(test) || !test.costs.has(mutant.file)) await this.unchanged(test, mutant.file);
    await this.place(mutant.file, mutate(this.shaders.texts.get(mutant.file)!, mutant));
    const reply = await this.ask(test, limitOf(test.costs.get(mutant.file) ?? 0));
    test.tries++;
    if (reply instanceof Hung) return { mutant, fate: "hung", by: `${test.name}: ${reply.message}` };
    if (reply.ok) return undefined;
    const by = firstLine(reply.error);
    if (/^(?:shaders\/|common\/|WebGPU: )/.test(by)) return { mutant, fate: "does not compile", by };
    test.kills++;
    return { mutant, fate: "killed", by: `${test.name}: ${by}` };
  }

  /** The test's run without a change. */
  private async clean(test: Test, file: string): Promise<Clean> {
    if (test.clean) return test.clean;
    const reply = await this.unchanged(test, file);
    const { ok, error, kernels = {} } = reply instanceof Hung ? { ok: false, error: reply.message } : reply;
    if (!ok) this.log(`not used, fails without a change: ${test.name}: ${firstLine(error)}`);
    test.clean = { passes: ok, kernels };
    return test.clean;
  }

  private async unchanged(test: Test, file: string): Promise<Reply | Hung> {
    const text = this.shaders.texts.get(file)!;
    await this.place(file, text);
    await this.put(file, text); // again, even if it stood there: the cost is to hold the compiler's work
    const reply = await this.ask(test, CLEAN_MS);
    if (!(reply instanceof Hung)) test.costs.set(file, Math.max(test.costs.get(file) ?? 0, reply.cpu ?? 0));
    return reply;
  }

  private isWarm(test: Test): boolean {
    return this.warm.life === this.worker.life && this.warm.tests.has(test);
  }

  private async ask(test: Test, limitMs: number): Promise<Reply | Hung> {
    const { file, index } = test;
    try {
      const reply = await this.worker.ask({ type: "test", file, index }, limitMs);
      if (this.warm.life !== this.worker.life) this.warm = { life: this.worker.life, tests: new Set() };
      this.warm.tests.add(test);
      return reply;
    } catch (error) {
      if (error instanceof Hung) return error;
      throw error;
    }
  }

  /** Puts a text in a file's place, and the one that stood in another's back. */
  private async place(file: string, text: string): Promise<void> {
    this.worker.start();
    const { life } = this.worker;
    const before = this.placed?.life === life ? this.placed : undefined;
    if (before?.file === file && before.text === text) return;
    if (before && before.file !== file) await this.put(before.file, this.shaders.texts.get(before.file)!);
    if (this.placed?.file !== file)
      for (const test of [...this.tests.values()].flat()) Object.assign(test, { tries: 0, kills: 0 });
    await this.put(file, text);
    this.placed = { file, text, life };
  }

  private put(path: string, text: string): Promise<Reply> {
    return this.worker.ask({ type: "put", path, text, kernels: this.shaders.kernelsOf(path) }, CLEAN_MS);
  }

  /**
   * Test files that can reach a kernel: those nearest to its host, and those nearest to a file with its name in quotes (a test of
   * the kernel alone, often); then those one import further away; then all.
   */
  private rings(kernels: readonly string[]): TestFile[][] {
    const rings = [new Set<TestFile>(), new Set<TestFile>(), new Set<TestFile>()] as const;
    for (const files of kernels.flatMap((k) => [[this.shaders.hostOf(k) ?? ""], [...(this.namedIn.get(k) ?? [])]])) {
      const distance = (t: TestFile) => Math.min(...files.map((f) => t.distance.get(f) ?? Number.POSITIVE_INFINITY));
      const reaching = this.bundle.tests.filter((t) => Number.isFinite(distance(t)));
      const least = Math.min(...reaching.map(distance));
      for (const t of reaching) rings[Math.min(distance(t) - least, 2)]!.add(t);
    }
    const [near, next, far] = rings;
    const wanted = this.thorough || !near.size ? [near, next, far] : [near, next];
    return wanted.map((ring, i) => [...ring].filter((t) => !rings.slice(0, i).some((nearer) => nearer.has(t))));
  }

  /** Tests known to run a kernel come first, by kills that may be hoped for a millisecond; then those named like one. */
  private async inOrder(files: readonly TestFile[], kernels: readonly string[]): Promise<Test[]> {
    const words = new Set(kernels.flatMap((k) => k.split("_")));
    const likeness = ({ name }: Test) => [...words].filter((word) => name.includes(word)).length;
    const hope = ({ kills, tries, costs }: Test) => (kills + 1) / (tries + 2) / (1 + Math.max(...costs.values()));
    const all: Test[] = [];
    for (const { path } of files) all.push(...(await this.testsOf(path)));
    return all
      .map((test) => ({ test, rank: test.clean ? hope(test) : likeness(test) - 1e3 }))
      .sort((a, b) => b.rank - a.rank)
      .map(({ test }) => test);
  }

  private async testsOf(file: string): Promise<readonly Test[]> {
    const known = this.tests.get(file);
    if (known) return known;
    const { ok, error, tests = [] } = await this.worker.ask({ type: "list", file }, CLEAN_MS);
    if (!ok) this.log(`not used, does not load: ${file}: ${firstLine(error)}`);
    const found = tests.map(
      (name, index): Test => ({
        ...{ file, index, name },
        ...{ clean: undefined, costs: new Map(), tries: 0, kills: 0 },
      }),
    );
    this.tests.set(file, found);
    return found;
  }
}

/** Whether all of a test's launches of the kernels give the mutant's constant another value. */
function replaces(runs: Clean["kernels"], { constant }: Mutant, kernels: readonly string[]): boolean {
  const sets = kernels.flatMap((k) => runs[k] ?? []);
  return constant !== undefined && sets.every((set) => constant in (JSON.parse(set) as object));
}

/** For every name in quotes the files that have it, of those that tests import. */
function filesThatName(bundle: Bundle, root: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const path of new Set(bundle.tests.flatMap((t) => [...t.distance.keys()]))) {
    for (const [, name] of readFileSync(join(root, path), "utf8").matchAll(/["`]([a-z]\w*)["`]/g)) {
      found.set(name!, (found.get(name!) ?? new Set()).add(path));
    }
  }
  return found;
}

const firstLine = (text = ""): string => text.split("\n", 1)[0]!;
