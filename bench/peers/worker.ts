// The parent's side of a child: questions and answers, patience, and what is left when it dies.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Hello, Request } from "./protocol.js";

/** Characters of stderr that a reason shows at most. */
const TAIL = 200;

/** Why an engine has no number. */
export class Failed extends Error {}

/** It was stopped: no answer came in so many seconds. */
export class Late extends Failed {
  constructor(readonly seconds: number) {
    super(`no answer in ${seconds} s`);
  }
}

export class Worker {
  private readonly process: ChildProcessWithoutNullStreams;
  private said = "";
  private ended: string | undefined;
  /** Waits for the next line. */
  private take: ((answer: unknown) => void) | undefined;

  private constructor(
    [command, ...rest]: readonly string[],
    private readonly limit: number,
  ) {
    this.process = spawn(command!, rest, { stdio: "pipe" });
    this.process.stdin.on("error", () => {}); // a child that died is seen below
    this.process.stderr.on("data", (text) => {
      this.said = (this.said + String(text)).slice(-TAIL);
    });
    createInterface({ input: this.process.stdout }).on("line", (line) => this.hear(line));
    const end = (reason: string) => {
      this.ended ??= reason;
      this.take?.({ error: this.ended });
    };
    this.process.on("error", (error) => end(`could not be started: ${error.message}`));
    this.process.on("close", (code, signal) => {
      const last = this.said.trim().split("\n").at(-1);
      end(`${signal ? `ended by ${signal}` : `ended with ${code}`}${last ? `: ${last}` : ""}`);
    });
  }

  /**
   * Starts the command, and waits until it says that it can work.
   *
   * @param limit   seconds for an answer, then it is stopped
   */
  static async start(line: readonly string[], limit: number): Promise<{ worker: Worker; hello: Hello }> {
    const worker = new Worker(line, limit);
    return { worker, hello: await worker.next<Hello>() };
  }

  /** Whether it can be asked. */
  get alive(): boolean {
    return this.ended === undefined;
  }

  /** Asks and waits for the answer; throws Failed, or Late. */
  ask<T>(request: Request): Promise<T> {
    this.process.stdin.write(`${JSON.stringify(request)}\n`);
    return this.next<T>();
  }

  /** Lets it end by itself, and helps if it does not. */
  async end(): Promise<void> {
    this.process.stdin.end();
    if (!this.alive) return;
    const late = setTimeout(() => this.process.kill("SIGKILL"), 5000);
    await new Promise((resolve) => this.process.once("close", resolve));
    clearTimeout(late);
  }

  private async next<T>(): Promise<T> {
    if (this.ended) throw new Failed(this.ended);
    const late = new Late(this.limit);
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<unknown>((resolve) => {
      this.take = resolve;
      timer = setTimeout(() => {
        this.ended = late.message;
        this.process.kill("SIGKILL");
        resolve(late);
      }, 1000 * this.limit);
    });
    clearTimeout(timer);
    this.take = undefined;
    if (answer === late) throw late;
    const { error } = answer as { error?: string };
    if (error !== undefined) throw new Failed(error);
    return answer as T;
  }

  /** Lines that are no JSON object are a library's own words. */
  private hear(line: string): void {
    try {
      const answer: unknown = JSON.parse(line);
      if (typeof answer === "object" && answer) this.take?.(answer);
    } catch {
      this.said = `${this.said}${line}\n`.slice(-TAIL);
    }
  }
}
