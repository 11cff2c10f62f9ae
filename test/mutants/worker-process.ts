// The runner's side of worker.ts: starts it, asks it, and kills it when it does not answer in time.

import { type ChildProcess, fork } from "node:child_process";

export type Request =
  | { type: "load"; files: readonly string[] }
  | { type: "test"; index: number }
  /** Kernels by name, with the sets of constants (JSON) to try. */
  | { type: "put"; path: string; text: string; kernels: Record<string, readonly string[]> };

export interface TestName {
  /** The bundled file. */
  file: string;
  name: string;
}

export interface Reply {
  ok: boolean;
  error?: string | undefined;
  /** Of `load`: every test, whose place is its index. */
  tests?: TestName[];
  /** Of `test`. */
  ms?: number;
  kernels?: Record<string, string[]>;
  megabytes?: number;
}

/** The worker's answer did not come in time, or it died. */
export class Hung extends Error {}

/** Above this the worker is replaced: a test that fails half way leaves its tensors behind. */
const MOST_MEGABYTES = 3000;
const LOAD_MS = 120_000;

export class WorkerProcess {
  private child: ChildProcess | undefined;
  private tests: TestName[] = [];

  constructor(
    private readonly program: string,
    private readonly files: readonly string[],
  ) {}

  /** Starts the process if there is none; all tests. */
  async start(): Promise<TestName[]> {
    if (this.child) return this.tests;
    this.child = fork(this.program, {
      stdio: ["ignore", "ignore", process.env.DEBUG ? "inherit" : "ignore", "ipc"],
      execArgv: [],
    });
    const reply = await this.send({ type: "load", files: this.files }, LOAD_MS);
    if (reply.error && !this.tests.length)
      process.stderr.write(`Left out, because they do not load:\n${reply.error}\n`);
    this.tests = reply.tests ?? [];
    return this.tests;
  }

  /** @throws Hung after `limitMs`, or when the process dies; the next call starts a fresh one */
  async ask(request: Request, limitMs: number): Promise<Reply> {
    await this.start();
    const reply = await this.send(request, limitMs);
    if ((reply.megabytes ?? 0) > MOST_MEGABYTES) this.stop();
    return reply;
  }

  stop(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }

  private send(request: Request, limitMs: number): Promise<Reply> {
    const child = this.child!;
    child.send(request);
    return new Promise((resolve, reject) => {
      const end = (result: Reply | Hung) => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (!(result instanceof Hung)) return resolve(result);
        this.stop();
        reject(result);
      };
      const timer = setTimeout(() => end(new Hung(`no answer in ${limitMs} ms`)), limitMs);
      child.once("message", (reply) => end(reply as Reply));
      child.once("exit", (code, signal) => end(new Hung(`the process ended with ${signal ?? code}`)));
    });
  }
}
