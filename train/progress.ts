// What a run says on stderr: on a terminal one line that is rewritten, elsewhere a line now and then.

import { count, duration } from "../data/progress.js";

/** Seconds between two lines. */
const every = { terminal: 1, plain: 10 };

export class Progress {
  private readonly terminal: boolean;
  private open = false; // a line without its end stands on the terminal
  private printed = { time: performance.now(), step: 0 };
  private rate: number | undefined; // steps a second
  private compiling = true; // the first line's time is that of compiling, and no rate

  constructor(
    private readonly steps: number,
    step: number,
    private readonly out: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
  ) {
    this.terminal = Boolean(out.isTTY);
    this.printed.step = step;
  }

  /** Whether enough time has passed for the next line. */
  get due(): boolean {
    return performance.now() - this.printed.time >= 1000 * (this.terminal ? every.terminal : every.plain);
  }

  /** `done` steps are done; `values` are means since the last line. */
  show(done: number, values: Record<string, number>): void {
    if (done === this.printed.step && !this.compiling) return; // the last step of all was due anyway
    const now = performance.now();
    const seconds = (now - this.printed.time) / 1000;
    const fresh = (done - this.printed.step) / seconds;
    const pace: string[] = [];
    if (this.compiling) pace.push(`first step ${duration(seconds)}, shaders compiled`);
    else {
      this.rate = this.rate === undefined ? fresh : 0.7 * this.rate + 0.3 * fresh; // smooth, so that the time left does not jump
      pace.push(speed(this.rate), `${duration((this.steps - done) / this.rate)} left`);
    }
    this.compiling = false;
    this.printed = { time: now, step: done };
    const numbers = Object.entries(values).map(([name, value]) => `${name} ${brief(value)}`);
    this.line([`step ${count(done)}/${count(this.steps)}`, ...numbers, ...pace].join("  "));
  }

  /** A line of its own. */
  note(text: string): void {
    if (this.open) this.out.write("\n");
    this.open = false;
    this.out.write(`${text}\n`);
  }

  private line(text: string): void {
    this.out.write(this.terminal ? `\r\x1b[K${text}` : `${text}\n`);
    this.open = this.terminal;
  }
}

/** Four digits. */
const brief = (x: number): string =>
  x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5) ? x.toExponential(2) : String(Number(x.toPrecision(4)));

const speed = (rate: number): string =>
  rate >= 1 ? `${rate.toPrecision(3)} steps/s` : `${(1 / rate).toPrecision(3)} s/step`;
