// npm run -s mutants -- [stem]... [--sample n] [--seed n] [--json] [--patience seconds] [--thorough]
//
//   npm run -s mutants -- softmax              every kernel whose name begins so; `reduce` takes common/reduce.wgsl
//   npm run -s mutants -- --sample 200         a seeded sample in which every file counts alike
//   npm run -s mutants -- softmax --thorough   also the tests that meet the kernel far down in another op
//   npm run -s mutants                         all of them: hours on a software adapter
//
// A mutant is a kernel with one operator, sign or constant changed (mutate.ts). It is caught when a test fails or no longer
// ends. One that does not compile counts neither way. accepted.json lists those that change nothing, with the reason.
// Exit code 1 if a mutant survived that is not in the list.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { random } from "../../engine/random.js";
import { bundle } from "./bundle.js";
import type { Mutant } from "./mutate.js";
import { type Fate, type Result, Runner } from "./run.js";
import { Shaders } from "./shaders.js";

/** Tests near a kernel that are enough; --thorough also runs those that meet it far down in another op. */
const ENOUGH = 8;

const log = (line: string) => process.stderr.write(`${line}\n`);

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      patience: { type: "string", default: "20" },
      thorough: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const whole = (name: string, text: string | undefined) => {
    if (text === undefined || /^\d+$/.test(text)) return Number(text ?? Number.POSITIVE_INFINITY);
    throw new Error(`--${name} is "${text}", but must be a whole number.`);
  };
  const { sample, seed, patience, thorough, json } = values;
  return {
    stems: positionals,
    sample: whole("sample", sample),
    seed: whole("seed", seed),
    patience: whole("patience", patience),
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
  const { stems, sample, seed, patience, thorough, json } = options();
  const root = rootAbove(fileURLToPath(import.meta.url));
  const accepted = JSON.parse(readFileSync(join(root, "test/mutants/accepted.json"), "utf8")) as Record<string, string>;
  const shaders = new Shaders(root);
  const files = shaders.select(stems);
  const runner = new Runner(
    shaders,
    await bundle(root),
    root,
    1000 * patience,
    thorough ? Number.POSITIVE_INFINITY : ENOUGH,
    log,
  );

  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  const results: Result[] = [];
  try {
    const all = files.flatMap((file) => shaders.mutants(file));
    const chosen = sampleOf(all, sample, seed);
    log(`${chosen.length} of ${all.length} mutants`);
    for (const mutant of chosen) {
      if (mutant.id in accepted) continue;
      const result = await runner.run(mutant);
      results.push(result);
      if (result.fate === "survived") log(survivor(result));
      if (results.length % 25 === 0) log(`${results.length} of ${chosen.length}, ${seconds()} s`);
    }
    return report(
      results,
      chosen.filter((m) => m.id in accepted),
      seconds(),
      json,
    );
  } finally {
    runner.stop();
  }
}

const survivor = ({ mutant: { file, line, from, to, code }, by }: Result): string =>
  `survived  shaders/${file}:${line}  ${from} -> ${to}  in  ${code}   (${by})`;

function report(results: readonly Result[], accepted: readonly Mutant[], seconds: number, json: boolean): number {
  const count = (fate: Fate) => results.filter((r) => r.fate === fate).length;
  const caught = count("caught") + count("hung");
  const survivors = results.filter((r) => r.fate === "survived");
  const share = caught / Math.max(1, caught + survivors.length);
  const numbers = {
    share,
    caught,
    hung: count("hung"),
    survived: survivors.length,
    accepted: accepted.length,
    replaced: count("replaced"),
    doesNotCompile: count("does not compile"),
    seconds,
  };
  if (json) {
    const list = survivors.map(({ mutant: { id, file, line, from, to }, by }) => ({
      id,
      file: `shaders/${file}`,
      line,
      from,
      to,
      by,
    }));
    console.log(JSON.stringify({ ...numbers, survivors: list }));
  } else {
    for (const result of survivors) console.log(survivor(result));
    console.log(
      `${(100 * share).toFixed(1)} % caught: ${caught} of ${caught + survivors.length} (${numbers.hung} by never ending); ${numbers.accepted} accepted, ${numbers.replaced} in constants that the host sets, ${numbers.doesNotCompile} do not compile; ${seconds} s`,
    );
  }
  return survivors.length ? 1 : 0;
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
