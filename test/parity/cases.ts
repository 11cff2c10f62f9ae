// The registry of parity cases: each runs our code on what a golden file describes and says how far off it is. Cases are
// built from the file alone (its names, shapes and metadata), so that another set of files with other values works too.

/** One comparison. `run` gives the error, on the scale that `allowed` is meant for: relativeError unless said. */
export interface ParityCase {
  /** The golden file, without its ending. */
  file: string;
  /** Which part of it, unique within the file. */
  case: string;
  allowed: number;
  run(): Promise<number>;
}

export interface ParityResult {
  file: string;
  case: string;
  /** null when the case threw or the error is not finite; `message` says why. */
  error: number | null;
  allowed: number | null;
  message?: string;
}

/** Whether long walks are walked to their end: under vitest, a part of them (PARITY=all: the whole). */
export const inFull = !process.env.VITEST || process.env.PARITY === "all";

const makers = new Map<string, (() => Promise<ParityCase[]>)[]>();

/** Adds the cases of a golden file; several modules may add to one file. */
export function parity(file: string, cases: () => Promise<ParityCase[]>): void {
  makers.set(file, [...(makers.get(file) ?? []), cases]);
}

/** The files with cases, in the order of their registration. */
export const parityFiles = (): string[] => [...makers.keys()];

export const passed = ({ error, allowed }: ParityResult): boolean =>
  error !== null && allowed !== null && error <= allowed;

/** Runs all cases of a file, one after the other, and hands each result out as it comes. */
export async function* runParity(file: string): AsyncGenerator<ParityResult> {
  for (const make of makers.get(file) ?? []) {
    let cases: ParityCase[];
    try {
      cases = await make();
    } catch (error) {
      yield { file, case: "(setup)", error: null, allowed: null, message: messageOf(error) };
      continue;
    }
    for (const one of cases) yield await runCase(one);
  }
}

async function runCase({ file, case: name, allowed, run }: ParityCase): Promise<ParityResult> {
  try {
    const error = await run();
    if (Number.isFinite(error)) return { file, case: name, error, allowed };
    return { file, case: name, error: null, allowed, message: `the error is ${error}` };
  } catch (error) {
    return { file, case: name, error: null, allowed, message: messageOf(error) };
  }
}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return process.env.DEBUG ? (error.stack ?? error.message) : error.message;
};

/** `ok    unet_small  output  1.2e-6 of 1e-4` */
export function line(result: ParityResult): string {
  const { file, case: name, error, allowed, message } = result;
  const numbers = error === null ? (message ?? "") : `${error.toExponential(1)} of ${allowed?.toExponential(0)}`;
  return `${passed(result) ? "ok  " : "FAIL"}  ${file}  ${name}  ${numbers}`;
}
