// The parent's side of a child: questions and answers, patience, and what is left when it dies.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Hello, Request } from "./protocol.js";

/** Seconds for an answer. The longest seen: the first step of IR-18 in TensorFlow.js or jax-js, a minute or two. */
const PATIENCE = 900;
/** Characters of stderr that a reason shows at most. */
const TAIL = 200;

/** Why an engine has no number. */
export class Failed extends Error {}

export class Worker {
  private readonly process: ChildProcessWithoutNullStreams;
  private said = "";
  private ended: string | undefined;
  /** Waits for the next line. */
  private take: ((answer: unknown) => void) | undefined;

  private constructor([command, ...rest]: readonly string[]) {
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

  /** Starts the command, and waits until it says that it can work. */
  static async start(line: readonly string[]): Promise<{ worker: Worker; hello: Hello }> {
    const worker = new Worker(line);
    return { worker, hello: await worker.next<Hello>() };
  }

  /** Whether it can be asked. */
  get alive(): boolean {
    return this.ended === undefined;
  }

  /** Asks and waits for the answer; throws Failed. */
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
    let late: NodeJS.Timeout | undefined;
    const answer = await new Promise<unknown>((resolve) => {
      this.take = resolve;
      late = setTimeout(() => {
        this.ended = `no answer in ${PATIENCE} s`;
        this.process.kill("SIGKILL");
        resolve({ error: this.ended });
      }, 1000 * PATIENCE);
    });
    clearTimeout(late);
    this.take = undefined;
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
