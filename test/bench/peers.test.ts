// `npm run bench -- peers` without its peers: what holds the comparison honest. The peers themselves are not installed here.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { input } from "../../bench/peers/inputs.js";
import { peers } from "../../bench/peers/main.js";
import { irParameters } from "../../bench/peers/nets.js";
import { graphOf } from "../../bench/peers/onnx-graphs.js";
import { open } from "../../bench/peers/ours.js";
import { type Checked, errorOf, isStep, type Ran, sampleOf, type Task } from "../../bench/peers/protocol.js";
import { cellsOf, type Outcome, type RowResult, ratiosOf, reasons, verdictOf } from "../../bench/peers/result.js";
import { rows, tiny } from "../../bench/peers/rows.js";
import { Failed, Late, Worker } from "../../bench/peers/worker.js";
import { UsageError } from "../../engine/errors.js";
import { writeOnnx } from "../../engine/io/onnx.js";
import { backbones } from "../../models/iresnet.js";
import { relativeError } from "../golden.js";
import { noPython } from "../python.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const values = (n: number, make: (i: number) => number) => Float32Array.from({ length: n }, (_, i) => make(i));

describe("the comparison of results", () => {
  const product: Task = { op: "matmul", n: 300 };
  const step: Task = { op: "smallStep", B: 16, side: 32 };
  const good = values(90_000, (i) => Math.sin(i));

  test("a result agrees with itself, also one that is sent in part", () => {
    expect(sampleOf(good).size).toBe(90_000);
    expect(errorOf(product, sampleOf(good), sampleOf(good))).toBe(0);
  });

  test("one wrong number among those not sent is seen by the length, if it is large", () => {
    const bad = good.slice();
    bad[7] = 100;
    expect(errorOf(product, sampleOf(bad), sampleOf(good))).toBeGreaterThan(0.05);
  });

  test("the same numbers at other places are wrong: a layout that was not turned back", () => {
    expect(errorOf(product, sampleOf(good.slice().reverse()), sampleOf(good))).toBeGreaterThan(0.5);
  });

  test("NaN and another number of elements are infinitely wrong", () => {
    const bad = good.map(() => Number.NaN);
    expect(errorOf(product, sampleOf(bad), sampleOf(good))).toBe(Number.POSITIVE_INFINITY);
    expect(errorOf(product, sampleOf(good.subarray(1)), sampleOf(good))).toBe(Number.POSITIVE_INFINITY);
  });

  test("of a step the drop of the loss counts by itself: a wrong gradient of a small step hides in the loss", () => {
    const [got, want] = [Float32Array.of(5, 4.9), Float32Array.of(5, 4.8)].map(sampleOf);
    expect(errorOf(step, got!, want!)).toBeCloseTo(0.5, 4);
  });
});

describe("ratios", () => {
  const took = (...samples: number[]): Outcome => ({ samples, firstMs: 1, error: 0 });
  const row = (part: Partial<RowResult>): RowResult => ({
    ...{
      name: "conv",
      task: { op: "matmul", n: 1 },
      wanted: { webgpu: 5, torch: 0.5 },
      ours: took(3, 2, 1),
      peers: {},
    },
    ...part,
  });

  test("the fastest WebGPU peer counts, by medians, and PyTorch apart", () => {
    const peers = { jax: took(12, 10, 500), tfjs: took(16), torch: took(1) };
    expect(ratiosOf(row({ peers }))).toEqual({ webgpu: 6, torch: 0.5 });
    expect(verdictOf(row({ peers }))).toBe("ok");
    expect(verdictOf(row({ peers: { ...peers, tfjs: took(9) } }))).toBe("misses");
  });

  test("a peer that did not run leaves its cell and a reason, and the others their ratio", () => {
    const one = row({
      peers: { jax: { reason: "not installed" }, tfjs: took(20), ort: { reason: "is off", wrong: true } },
    });
    expect(cellsOf(one)).toMatchObject({ ms: 2, jax: "not run", ort: "wrong", tfjs: 20, webgpu: 10, verdict: "ok" });
    expect(reasons([one])).toEqual(["conv, jax: not run: not installed", "conv, ort: wrong: is off"]);
  });

  test("an engine that was stopped counts with the time that it had, and is shown so", () => {
    const stopped: Outcome = { reason: "no answer in 9 s, after a first run", over: 9 };
    const one = row({ peers: { jax: stopped, tfjs: took(20) } });
    expect(cellsOf(one)).toMatchObject({ jax: "> 9 s", tfjs: 20, webgpu: 10 });
    expect(cellsOf(row({ peers: { jax: stopped } }))).toMatchObject({ webgpu: 4500, verdict: "ok" });
    expect(reasons([one])).toEqual(["conv, jax: stopped: no answer in 9 s, after a first run"]);
  });

  test("a row without ours, or without a peer, is no success", () => {
    expect(verdictOf(row({ ours: { reason: "crashed" }, peers: { jax: took(1) } }))).toBe("not compared");
    expect(verdictOf(row({}))).toBe("not compared");
  });
});

describe("children", () => {
  const child = (code: string, limit = 60) => Worker.start([process.execPath, "-e", code], limit);
  const hello = `console.log("a library's own words"); console.log(JSON.stringify({ name: "x", version: "1", adapter: "a" }));`;

  test("answers are lines of JSON, whatever else is printed", async () => {
    const { worker, hello: said } = await child(`${hello} process.stdin.on("data", () => console.log('{"ms":3}'));`);
    expect(said.name).toBe("x");
    expect(await worker.ask<Ran>({ do: "run" })).toEqual({ ms: 3 });
    await worker.end();
    expect(worker.alive).toBe(false);
  });

  test("one that dies in the middle of a row says how, and is not asked again", async () => {
    const { worker } = await child(
      `${hello} process.stdin.on("data", () => { console.error("out of memory"); process.exit(9); });`,
    );
    await expect(worker.ask({ do: "run" })).rejects.toThrow(new Failed("ended with 9: out of memory"));
    await expect(worker.ask({ do: "run" })).rejects.toThrow(Failed);
  });

  test("one that gives no answer in its time is stopped", async () => {
    const { worker } = await child(`${hello} process.stdin.resume();`, 1);
    await expect(worker.ask({ do: "run" })).rejects.toThrow(new Late(1));
    expect(worker.alive).toBe(false);
  });

  test("one that cannot start has a reason", async () => {
    await expect(Worker.start(["/no/such/program"], 60)).rejects.toThrow(/could not be started/);
    await expect(child(`console.log('{"error":"tfjs is not installed"}')`)).rejects.toThrow("tfjs is not installed");
  });
});

describe("what is compared", () => {
  test("nets built by hand have the trained parameters of ours, key by key", () => {
    for (const net of ["ir_18", "ir_50"] as const) {
      const trained = backbones[net]()
        .entries()
        .filter(([, p]) => p.kind === "trained");
      const own = trained.map(([key, { shape }]) => [key, [...shape]]);
      expect(new Map(irParameters(net))).toEqual(new Map(own as [string, number[]][]));
    }
  });

  test("every row has a tiny form of the same kind, under another name", () => {
    expect(tiny.map((r) => r.task.op)).toEqual(rows.map((r) => r.task.op));
    expect(new Set([...tiny, ...rows].map((r) => r.name)).size).toBe(2 * rows.length);
  });

  test("the peers are pinned, apart from this package, and their lock file names no registry", () => {
    const json = (path: string) =>
      JSON.parse(readFileSync(join(root, path), "utf8")) as Record<string, Record<string, string>>;
    const { dependencies } = json("bench/peers/package.json");
    expect(Object.values(dependencies!).every((v) => /^\d+\.\d+\.\d+$/.test(v))).toBe(true);
    expect(Object.keys(json("package.json").dependencies!).filter((name) => name in dependencies!)).toEqual([]);
    expect(readFileSync(join(root, "bench/peers/package-lock.json"), "utf8")).not.toContain('"resolved"');
  });

  test.each([
    [["--only", "nothing"], "no row"],
    [["--engines", "caffe"], "no such engine"],
    [["--rounds", "0"], "above 0"],
    [["--limit", "soon"], "above 0"],
    [["--out", "peers.txt"], ".json, .md or .html"],
    [["--fast"], "--fast"],
  ])("%j is refused with the way out", async (args, words) => {
    await expect(peers(args)).rejects.toThrow(UsageError);
    await expect(peers(args)).rejects.toThrow(words);
  });
});

describe("engines at tiny sizes", () => {
  let ours: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    ours = await open();
  });
  afterAll(() => ours.device.close());

  /** The result of ours. */
  async function result(task: Task): Promise<Float32Array> {
    const job = await ours.engine.prepare(task);
    for (let n = 0; n < (isStep(task) ? 2 : 1); n++) await job.run();
    const got = await job.result();
    job.drop();
    return got;
  }

  test.each(tiny.filter(({ task }) => task.op === "unet" && !task.steps).slice(0, 1))(
    "the graph of $name says in onnxruntime what ours says",
    async ({ task }) => {
      ort.env.wasm.numThreads = 1;
      const folder = mkdtempSync(join(tmpdir(), "peers-"));
      const { graph, read, inputs } = graphOf(task);
      writeOnnx(join(folder, "net.onnx"), graph, read);
      const session = await ort.InferenceSession.create(join(folder, "net.onnx"));
      rmSync(folder, { recursive: true });
      const feeds = inputs.map(
        ({ name, dims, values }) => [name, new ort.Tensor("float32", values, [...dims])] as const,
      );
      const [y] = Object.values(await session.run(Object.fromEntries(feeds)));
      expect(relativeError(y!.data as Float32Array, await result(task))).toBeLessThan(1e-4);
      await session.release();
    },
  );

  test("ours is right where others are compared with it: a product and the order of attention's result", async () => {
    const y = await result({ op: "matmul", n: 8 });
    const [a, b] = [input("a", [8, 8]), input("b", [8, 8])];
    expect(
      relativeError(
        y,
        values(64, (i) => dot(8, (k) => a[i - (i % 8) + k]! * b[8 * k + (i % 8)]!)),
      ),
    ).toBeLessThan(1e-6);

    const [heads, L, D] = [2, 3, 4];
    const [q, k, v] = ["q", "k", "v"].map((name) => input(name, [heads, L, D])) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const want = values(heads * L * D, (i) => {
      const [head, query, d] = [Math.floor(i / (L * D)) * L, Math.floor(i / D), i % D];
      const looks = Array.from({ length: L }, (_, l) =>
        Math.exp(dot(D, (c) => q[query * D + c]! * k[(head + l) * D + c]!) / Math.sqrt(D)),
      );
      return dot(L, (l) => looks[l]! * v[(head + l) * D + d]!) / looks.reduce((x, y) => x + y);
    });
    expect(relativeError(await result({ op: "attention", heads, L, D }), want)).toBeLessThan(1e-5);
  });

  test.skipIf(noPython)(`PyTorch's nets and steps agree with ours${noPython ? `: ${noPython}` : ""}`, async () => {
    const { worker } = await Worker.start(["python3", "-uB", join(root, "bench/peers/pytorch.py")], 60);
    for (const { name, task } of tiny.filter(({ task }) => ["unet", "decode", "smallStep"].includes(task.op))) {
      await worker.ask({ do: "prepare", task });
      const { sample } = await worker.ask<Checked>({ do: "check" });
      expect(errorOf(task, sample, sampleOf(await result(task))), name).toBeLessThan(isStep(task) ? 1e-2 : 1e-4);
    }
    await worker.end();
  });
});

const dot = (n: number, term: (i: number) => number): number =>
  Array.from({ length: n }, (_, i) => term(i)).reduce((a, b) => a + b);
