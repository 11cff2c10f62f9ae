// The runner's side of worker.ts: starts it, asks it, and kills it when it does not answer in time.

import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";

export type Request =
  /** The tests of a bundled file, in order. */
  | { type: "list"; file: string }
  | { type: "test"; file: string; index: number }
  /** A text in a file's place, and the kernels that have to be compiled anew for it. */
  | { type: "put"; path: string; text: string; kernels: readonly string[] };

export interface Reply {
  ok: boolean;
  error?: string | undefined;
  /** Of `list`: names. */
  tests?: string[];
  /** Of `test`: the processor's time, all threads together, in milliseconds. */
  cpu?: number;
  /** Of `test`: kernels that it ran, with the sets of constants (JSON). */
  kernels?: Record<string, string[]>;
  /** The adapter gave up: the process is of no more use. */
  lost?: boolean;
  megabytes?: number;
}

/** The worker's answer did not come in time, or it died. */
export class Hung extends Error {}

/** Above this the worker is replaced: a test that fails half way leaves its tensors behind. */
const MOST_MEGABYTES = 3000;
const LOOK_MS = 50;
/** Where the processor's time cannot be read, or is not what passes (a GPU hangs): so many times the limit, and a minute. */
const CLOCK = 20;

export class WorkerProcess {
  /** How often the process was started: what was put in place before belongs to an earlier life. */
  life = 0;
  private child: ChildProcess | undefined;

  constructor(private readonly program: string) {}

  /** Starts the process if there is none. */
  start(): void {
    if (this.child) return;
    this.life++;
    this.child = fork(this.program, {
      stdio: ["ignore", "ignore", process.env.DEBUG ? "inherit" : "ignore", "ipc"],
      execArgv: [],
    });
  }

  /**
   * @param limitMs   of the processor's time: on a busy machine the clock says nothing
   * @throws          Hung past the limit, or when the process dies; the next call starts a fresh one
   */
  async ask(request: Request, limitMs: number): Promise<Reply> {
    this.start();
    const reply = await this.send(request, limitMs);
    if (reply.lost || (reply.megabytes ?? 0) > MOST_MEGABYTES) this.stop();
    return reply;
  }

  stop(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }

  private send(request: Request, limitMs: number): Promise<Reply> {
    const child = this.child!;
    const [used, start] = [cpuMs(child.pid!) ?? 0, performance.now()];
    child.send(request);
    return new Promise((resolve, reject) => {
      const end = (result: Reply | Hung) => {
        clearInterval(timer);
        child.removeAllListeners();
        if (!(result instanceof Hung)) return resolve(result);
        this.stop();
        reject(result);
      };
      const timer = setInterval(() => {
        const spent = (cpuMs(child.pid!) ?? 0) - used;
        if (spent > limitMs || performance.now() - start > CLOCK * limitMs + 60_000)
          end(new Hung(`no answer in ${Math.round(limitMs)} ms`));
      }, LOOK_MS);
      child.once("message", (reply) => end(reply as Reply));
      child.once("exit", (code, signal) => end(new Hung(`the process ended with ${signal ?? code}`)));
    });
  }
}

/** What all threads of a process have used so far; undefined where there is no /proc. */
function cpuMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12])); // utime and stime, in hundredths of a second
  } catch {
    return undefined;
  }
}
