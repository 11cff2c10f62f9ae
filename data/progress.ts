// What long work on many images says on stderr: on a terminal one line that is rewritten, elsewhere a line now and then.

/** Milliseconds between two lines. */
const every = { terminal: 200, plain: 10_000 };

/** A counter to give as `onProgress`: what is done, the rate, and the time left. */
export function progress(
  what: string,
  out: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
): (done: number, total: number) => void {
  const started = performance.now();
  let printed = started;
  return (done, total) => {
    const now = performance.now();
    const over = done >= total;
    if (!over && now - printed < (out.isTTY ? every.terminal : every.plain)) return;
    printed = now;
    const seconds = Math.max((now - started) / 1000, 1e-3);
    const left = done ? `   ${duration(((total - done) * seconds) / done)} left` : "";
    const line = `${what.padEnd(12)} ${count(done)} of ${count(total)}   ${(done / seconds).toFixed(1)} a second${over ? "" : left}`;
    out.write(out.isTTY ? `\r\x1b[K${line}${over ? "\n" : ""}` : `${line}\n`);
  };
}

export const count = (n: number): string => n.toLocaleString("en");

/** 45 s, 3 min, 2 h 05 min, 3 d 4 h */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}
