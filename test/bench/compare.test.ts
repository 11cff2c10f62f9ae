// npm run bench -- compare: which differences count, and what it refuses.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Compared, compare, comparisonTable, quantile, readResults, summary } from "../../bench/compare.js";
import { markdown, shown, text } from "../../bench/table.js";
import { FileError, UsageError } from "../../engine/errors.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compare-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GPU = "a card (gpu, tiled kernels)";

interface Row {
  name: string;
  ms: number;
  samples?: number[];
  share?: number;
}

/** A file as the bench writes it. */
function written(name: string, rows: readonly Row[], more: object = {}): string {
  return raw(name, JSON.stringify({ adapter: GPU, date: "2026-11-24", command: name, rows, ...more }));
}

function raw(name: string, content: string): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, content);
  return path;
}

/** The one row that two files have in common. */
function judged(a: Row, b: Row, adapter = GPU): Compared {
  const files = [written("a", [a], { adapter }), written("b", [b], { adapter })].map(readResults);
  return compare(files[0]!, files[1]!).rows[0]!;
}

const steady = (ms: number) => [0.99, 1, 1, 1, 1.01].map((f) => f * ms);

describe("verdicts", () => {
  test("why: ten per cent are a difference where samples agree to one", () => {
    const row = (ms: number) => ({ name: "x", ms, samples: steady(ms) });
    expect(judged(row(10), row(11))).toMatchObject({ ratio: 1.1, verdict: "slower", noise: 0.05 });
    expect(judged(row(11), row(10)).verdict).toBe("faster");
    expect(judged(row(10), row(10.4)).verdict).toBe("within noise");
  });

  test("why: the same ten per cent are none where the quartiles of either run lie as far apart", () => {
    const wide = { name: "x", ms: 10, samples: [9, 9.5, 10, 10.5, 11] };
    expect(judged(wide, { name: "x", ms: 11, samples: steady(11) })).toMatchObject({
      verdict: "within noise",
      noise: expect.closeTo(0.2, 6),
    });
    expect(judged({ name: "x", ms: 11, samples: steady(11) }, wide).verdict).toBe("within noise");
  });

  test("why: one outlier of five must not hide a difference", () => {
    const b = { name: "x", ms: 12, samples: [11.9, 12, 12, 12.1, 60] };
    expect(judged({ name: "x", ms: 10, samples: steady(10) }, b).verdict).toBe("slower");
  });

  test("why: a machine that is slower as a whole slows the ceilings too, and then the code is not at fault", () => {
    const a = { name: "x", ms: 10, samples: steady(10), share: 0.5 };
    expect(judged(a, { name: "x", ms: 20, samples: steady(20), share: 0.5 }).verdict).toBe("within noise");
    expect(judged(a, { name: "x", ms: 20, samples: steady(20), share: 0.25 }).verdict).toBe("slower");
    expect(judged(a, { name: "x", ms: 10, samples: steady(10), share: 0.25 }).verdict).toBe("within noise");
  });

  test("why: on adapters in software two runs of the same code differ by more", () => {
    const [a, b] = [10, 11].map((ms) => ({ name: "x", ms, samples: steady(ms) }));
    expect(judged(a!, b!, "llvmpipe (lavapipe, broadcast kernels)").verdict).toBe("within noise");
  });
});

describe("files", () => {
  test("why: ceilings are measured anew for each group, and are no rows of their own", () => {
    const ceiling = (ms: number) => ({ name: "ceiling: copy", ms, share: 1 });
    const a = readResults(written("a", [ceiling(1), { name: "x", ms: 1 }, ceiling(3), { name: "gone", ms: 1 }]));
    const b = readResults(written("b", [ceiling(4), { name: "x", ms: 1 }, { name: "new", ms: 1 }]));
    const found = compare(a, b);
    expect(found).toMatchObject({ onlyInA: ["gone"], onlyInB: ["new"], slower: [] });
    expect(found.ceilings).toEqual([{ name: "ceiling: copy", ratio: 2 }]);
    expect(found.rows.map((r) => r.name)).toEqual(["x"]);
    expect(summary(found)).toContain("Only in A: gone");
  });

  test("why: nets, the host's calls and the stages of npm run gpu have times as well", () => {
    const tables = [
      { title: "4 x 4", rows: [{ name: "tile", ms: 1 }, { name: "no time" }] },
      { title: "8 x 8", rows: [{ name: "tile", ms: 2 }] },
    ];
    const path = written("all", [{ name: "kernel", ms: 1 }], {
      nets: [{ name: "net", ms: 1 }],
      host: { calls: [{ name: "call", ms: 1 }] },
      stages: [
        { name: "tiles", tables },
        { name: "pytorch", tables: [{ title: "theirs", rows: [{ name: "net, PyTorch f32", ms: 1 }] }] },
      ],
    });
    expect([...readResults(path).timed.keys()]).toEqual(["kernel", "net", "call", "tile (4 x 4)", "tile (8 x 8)"]);
  });

  test("why: a ratio between two adapters says nothing about the code", () => {
    const a = readResults(written("a", [{ name: "x", ms: 1 }]));
    const b = readResults(written("b", [{ name: "x", ms: 2 }], { adapter: "another card" }));
    expect(() => compare(a, b)).toThrow(UsageError);
    expect(() => compare(a, b)).toThrow(/another card/);
    const forced = compare(a, b, { force: true });
    expect(forced).toMatchObject({ sameAdapter: false, slower: ["x"] });
    expect(comparisonTable(forced).note).toContain("Different adapters");
  });

  test.each([
    ["missing", () => join(folder, "missing.json")],
    ["no JSON", () => raw("text", "what ms")],
    ["another JSON", () => raw("other", "{}")],
    ["no row with a time", () => written("empty", [])],
  ])("why: a file that is %s says how to make one", (_, path) => {
    expect(() => readResults(path())).toThrow(FileError);
    expect(() => readResults(path())).toThrow(/npm run -s bench -- --json/);
  });
});

test("why: quartiles of few samples lie between them", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3], 0.25)).toBe(1.5);
  expect(quantile([7], 0.75)).toBe(7);
});

describe("tables", () => {
  test("why: a number must be read at a glance", () => {
    expect([shown(1234.5), shown(0.012345), shown(12), shown(undefined), shown(true)]).toEqual([
      "1,235",
      "0.0123",
      "12",
      "",
      "true",
    ]);
    expect([shown(0.256, { percent: true }), shown(2, { digits: 2 })]).toEqual(["26 %", "2.00"]);
  });

  test("why: a bar in a name would end a Markdown cell; numbers stand on the right", () => {
    const table = {
      title: "T",
      columns: [
        { key: "name", title: "what" },
        { key: "ms", title: "ms" },
      ],
      rows: [
        { name: "a|b", ms: 1 },
        { name: "long name", ms: 10 },
      ],
    };
    expect(markdown(table)).toBe("## T\n\n| what | ms |\n|---|---:|\n| a\\|b | 1 |\n| long name | 10 |\n");
    expect(text(table)).toBe("what       ms\na|b         1\nlong name  10");
  });
});
