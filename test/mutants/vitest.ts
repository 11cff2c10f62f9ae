// Stands in for "vitest" where the mutant runner bundles the test files: tests are put in a list, and run one at a time, any
// number of times, in a process that keeps its device. `expect` is vitest's own.

import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect"; // comes with vitest
import { fn, isMockFunction, restoreAllMocks, spyOn } from "@vitest/spy"; // so does this

type Work = (...args: unknown[]) => unknown;

interface Suite {
  name: string;
  parent: Suite | undefined;
  before: Work[];
  beforeEach: Work[];
  afterEach: Work[];
  started: boolean;
}

export interface Listed {
  name: string;
  work: Work;
  suite: Suite;
}

/** Every test of the files imported so far, in order. */
export const tests: Listed[] = [];

const suiteOf = (name: string, parent?: Suite): Suite => ({
  name,
  parent,
  before: [],
  beforeEach: [],
  afterEach: [],
  started: false,
});
let current = suiteOf("");

/** Opens the suite of a file; returns the number of tests before it. */
export function startFile(name: string): number {
  current = suiteOf(name);
  return tests.length;
}

class Skipped extends Error {}
const context = {
  skip: () => {
    throw new Skipped();
  },
};

/** Runs a test with the hooks around it; beforeAll runs once, afterAll never: the next mutant needs what was set up. */
export async function runTest({ work, suite }: Listed): Promise<void> {
  const line: Suite[] = [];
  for (let at: Suite | undefined = suite; at; at = at.parent) line.unshift(at);
  for (const s of line) {
    if (s.started) continue;
    for (const hook of s.before) await hook();
    s.started = true;
  }
  try {
    for (const s of line) for (const hook of s.beforeEach) await hook(context);
    await work(context);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
  } finally {
    for (const s of line) for (const hook of s.afterEach) await hook(context);
    restoreAllMocks();
  }
}

/** test(name, work), test(name, options, work) and test(name, work, timeout). */
function addTest(name: string, ...rest: unknown[]): void {
  const work = rest.find((r): r is Work => typeof r === "function");
  if (work) tests.push({ name: [...pathOf(current), name].join(" > "), work, suite: current });
}

const pathOf = (suite: Suite): string[] => (suite.parent ? [...pathOf(suite.parent), suite.name] : [suite.name]);

function addSuite(name: string, ...rest: unknown[]): void {
  const work = rest.find((r): r is Work => typeof r === "function");
  const around = current;
  current = suiteOf(name, around);
  work?.();
  current = around;
}

type Add = (name: string, ...rest: unknown[]) => void;
const nothing: Add = () => {};

/** The variants of test and describe that the project uses. `each` numbers its cases instead of formatting their names. */
const variants = (add: Add) => ({
  each: (cases: readonly unknown[]) => (name: string, work: Work) => {
    for (const [i, c] of cases.entries()) add(`${name} [${i}]`, () => work(...(Array.isArray(c) ? c : [c])));
  },
  skip: nothing,
  todo: nothing,
  skipIf: (condition: unknown) => (condition ? nothing : add),
  runIf: (condition: unknown) => (condition ? add : nothing),
});

export const test = Object.assign(addTest, variants(addTest));
export const it = test;
export const describe = Object.assign(addSuite, variants(addSuite));
export const beforeAll = (work: Work): number => current.before.push(work);
export const beforeEach = (work: Work): number => current.beforeEach.push(work);
export const afterEach = (work: Work): number => current.afterEach.push(work);
export const afterAll = (_work: Work): void => {};

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);
export const { expect } = chai;

/** Spies are there. A test that asks for clocks or modules of its own fails here and is left to vitest. */
export const vi = new Proxy<Record<string, unknown>>(
  { fn, isMockFunction, restoreAllMocks, spyOn },
  {
    get: (spies, name) => {
      if (String(name) in spies) return spies[String(name)];
      throw new Error(`vi.${String(name)} is not there in the mutant runner.`);
    },
  },
);
