// npm run -s mutants -- [stem]... [--sample n] [--seed n] [--jobs n] [--most n] [--keep file] [--thorough] [--json]
//
//   npm run -s mutants -- softmax              every kernel whose name begins so; `reduce` takes common/reduce.wgsl
//   npm run -s mutants -- --sample 200         a seeded sample in which every file counts alike
//   npm run -s mutants -- softmax --thorough   also the tests that meet the kernel far down in another op
//   npm run -s mutants -- --most 8             all, each against the 8 likeliest tests: quicker, and at least that share is killed
//   npm run -s mutants -- --keep runs/mutants  all of them, an hour or more on a software adapter; goes on where it was stopped
//
// A mutant is a kernel with one operator, sign or constant changed (mutate.ts). It is killed when a test fails or no longer
// ends. One that does not compile counts neither way. accepted.json lists those that change nothing, with the reason.
// Exit code 1 if fewer than FLOOR were killed.

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { random } from "../../engine/random.js";
import { bundle } from "./bundle.js";
import { KeptResults } from "./kept.js";
import type { Mutant } from "./mutate.js";
import { type Fate, type Result, Runner } from "./run.js";
import { Shaders } from "./shaders.js";

/** The share that has to be killed. */
const FLOOR = 0.95;
/** Mutants of a file that one process takes at a time. */
const CHUNK = 16;

const log = (line: string) => process.stderr.write(`${line}\n`);

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: `${Math.min(4, availableParallelism())}` },
      most: { type: "string" },
      keep: { type: "string" },
      thorough: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const whole = (name: string, text: string | undefined) => {
    if (text === undefined || /^\d+$/.test(text)) return Number(text ?? Number.POSITIVE_INFINITY);
    throw new Error(`--${name} is "${text}", but must be a whole number.`);
  };
  const { sample, seed, jobs, most, keep, thorough, json } = values;
  return {
    stems: positionals,
    sample: whole("sample", sample),
    seed: whole("seed", seed),
    jobs: Math.max(1, whole("jobs", jobs)),
    most: Math.max(1, whole("most", most)),
    keep,
    thorough,
    json,
  };
}

/** `most` of the mutants, each file as often as the others as far as it has any. */
function sampleOf(mutants: readonly Mutant[], most: number, seed: number): Mutant[] {
  if (mutants.length <= most) return [...mutants];
  const rng = random(seed, "mutants");
  const files = [...new Set(mutants.map((m) => m.file))].map((file) => mutants.filter((m) => m.file === file));
  const chosen = new Set<Mutant>();
  for (let left = files; chosen.size < most; left = left.filter((list) => list.length)) {
    for (const list of left) {
      if (chosen.size < most) chosen.add(list.splice(rng.integer(0, list.length), 1)[0]!);
    }
  }
  return mutants.filter((m) => chosen.has(m));
}

async function main(): Promise<number> {
  const { stems, sample, seed, jobs, most, keep, thorough, json } = options();
  const root = rootAbove(fileURLToPath(import.meta.url));
  const accepted = JSON.parse(readFileSync(join(root, "test/mutants/accepted.json"), "utf8")) as Record<string, string>;
  const shaders = new Shaders(root);
  const all = shaders.select(stems).flatMap((file) => shaders.mutants(file));
  const chosen = sampleOf(all, sample, seed);
  log(`${chosen.length} of ${all.length} mutants`);

  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  const bundled = await bundle(root);
  const kept = new KeptResults(keep, shaders.texts);
  const counted = chosen.filter((m) => !(m.id in accepted));
  const results: Result[] = counted.flatMap((m) => kept.get(m) ?? []);
  if (results.length) log(`${results.length} of them are in ${keep}`);
  const work = chunks(counted.filter((m) => !kept.get(m)));
  const drain = async () => {
    const runner = new Runner(shaders, bundled, root, thorough, most, log);
    try {
      for (let chunk = work.shift(); chunk; chunk = work.shift()) {
        for (const mutant of chunk) {
          const before = performance.now();
          const result = await runner.run(mutant);
          if (process.env.DEBUG)
            log(`${Math.round(performance.now() - before)} ms  ${mutant.id}  ${result.fate}  ${result.by}`);
          results.push(result);
          kept.add(result);
          if (result.fate === "survived") log(survivor(result));
          if (results.length % 25 === 0) log(`${results.length} of ${chosen.length}, ${seconds()} s`);
        }
      }
    } finally {
      runner.stop();
    }
  };
  await Promise.all(Array.from({ length: jobs }, drain));
  const order = new Map(chosen.map((m, i) => [m, i]));
  results.sort((a, b) => order.get(a.mutant)! - order.get(b.mutant)!);
  return report(results, chosen.length - results.length, seconds(), json);
}

/** Neighbours of one file, a few at a time. */
function chunks(mutants: readonly Mutant[]): Mutant[][] {
  const found: Mutant[][] = [];
  for (const mutant of mutants) {
    const last = found.at(-1);
    if (last && last[0]!.file === mutant.file && last.length < CHUNK) last.push(mutant);
    else found.push([mutant]);
  }
  return found;
}

const survivor = ({ mutant: { file, line, from, to, code }, by }: Result): string =>
  `survived  shaders/${file}:${line}  ${from} -> ${to}  in  ${code}   (${by})`;

function report(results: readonly Result[], accepted: number, seconds: number, json: boolean): number {
  const count = (fate: Fate) => results.filter((r) => r.fate === fate).length;
  const survivors = results.filter((r) => r.fate === "survived");
  const [killed, hung, replaced, broken] = [
    count("killed") + count("hung"),
    count("hung"),
    count("replaced"),
    count("does not compile"),
  ];
  const counted = killed + survivors.length;
  const share = counted ? killed / counted : 1;
  if (json) {
    const list = results.map(({ mutant: { id, file, line, from, to }, fate, by }) => ({
      ...{ id, file: `shaders/${file}`, line, from, to },
      ...{ fate, by },
    }));
    console.log(
      JSON.stringify({ share, killed, counted, hung, accepted, replaced, doesNotCompile: broken, seconds, list }),
    );
  } else {
    for (const result of survivors) console.log(survivor(result));
    console.log(
      `Not counted: ${accepted} accepted, ${replaced} in constants that the host sets, ${broken} do not compile. ${hung} never ended. ${seconds} s`,
    );
    console.log(`${killed} of ${counted} killed (${(100 * share).toFixed(1)} %)`);
  }
  return share < FLOOR ? 1 : 0;
}

function rootAbove(path: string): string {
  const folder = dirname(path);
  return existsSync(join(folder, "package.json")) ? folder : rootAbove(folder);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    log(error instanceof Error ? error.message : String(error));
    process.exit(2);
  },
);
