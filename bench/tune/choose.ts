// Which of several settings is the fastest, on a machine whose clock cannot be trusted. No GPU here: times come from a
// stopwatch that the caller gives, so that a test can give a false one.
//
// A round times, case by case, the default, every candidate, and the default once more: what the two defaults differ by is
// the noise. A candidate wins if, in three rounds of four, it beats the default by more than that; and it must win once
// more in fresh rounds, in which nothing but it and the default run: the best of many is lucky the first time.

/** Milliseconds of a case under an option: 0 is the default, 1 .. are the candidates. */
export type Stopwatch = (option: number, place: number) => Promise<number>;

export interface Comparison {
  /** How many options beside the default. */
  candidates: number;
  /** How many cases each is timed at. */
  places: number;
  rounds: number;
  stopwatch: Stopwatch;
  /** The first option that launches the same as this one at a case: what it does there is timed once. Default: itself. */
  twin?: (option: number, place: number) => number;
  onRound?: () => void;
}

/** What rounds say of a candidate: logarithms of times over those of the default, the mean of all cases. */
interface Verdict {
  /** The median of the rounds; below 0 the candidate is faster. */
  change: number;
  /** What three rounds of four are below. */
  mostly: number;
  /** By how much the default differed from itself: the median of the rounds. */
  noise: number;
}

export interface Choice {
  /** 0: the default stays. */
  option: number;
  /** Its time over the default's, of the confirming rounds; 1 if the default stays. */
  ratio: number;
}

/** A gain below 2 % is not worth a line in a table. */
const WORTH_IT = Math.log(0.98);

/** The candidate that won twice, else the default. */
export async function choose(c: Comparison): Promise<Choice> {
  const all = Array.from({ length: c.candidates }, (_, i) => i + 1);
  const first = await compare(c, all);
  const ranked = all.filter((option) => wins(first.get(option)!));
  ranked.sort((a, b) => first.get(a)!.change - first.get(b)!.change);
  const best = ranked[0];
  if (best === undefined) return { option: 0, ratio: 1 };
  const again = (await compare(c, [best])).get(best)!;
  return wins(again) ? { option: best, ratio: Math.exp(again.change) } : { option: 0, ratio: 1 };
}

const wins = ({ change, mostly, noise }: Verdict): boolean => change < WORTH_IT && mostly < -noise;

/** A verdict on each of `options`, which a round times to and fro. */
async function compare(c: Comparison, options: readonly number[]) {
  const { places, rounds, stopwatch, twin = (option) => option } = c;
  const changes = new Map(options.map((option): [number, number[]] => [option, []]));
  const noise: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? [...options].reverse() : options;
    const sums = new Map(options.map((option): [number, number] => [option, 0]));
    let own = 0;
    for (let place = 0; place < places; place++) {
      const distinct = [...new Set(order.map((option) => twin(option, place)))].filter((option) => option !== 0);
      if (!distinct.length) continue;
      const times = new Map<number, number>();
      const before = Math.log(await stopwatch(0, place));
      for (const option of distinct) times.set(option, Math.log(await stopwatch(option, place)));
      const after = Math.log(await stopwatch(0, place));
      own += (after - before) / places;
      times.set(0, (before + after) / 2);
      for (const option of options) {
        const change = times.get(twin(option, place))! - times.get(0)!;
        sums.set(option, sums.get(option)! + change / places);
      }
    }
    noise.push(Math.abs(own));
    c.onRound?.();
    for (const [option, sum] of sums) changes.get(option)!.push(sum);
  }
  return new Map(
    [...changes].map(([option, list]): [number, Verdict] => [
      option,
      { change: quantile(list, 0.5), mostly: quantile(list, 0.75), noise: quantile(noise, 0.5) },
    ]),
  );
}

/** The least value that a share `q` of the values does not pass. */
function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
}
