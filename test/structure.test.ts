// The shape of the project: every stem is complete, imports point one way, and what the documents name exists.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { mutantsOf } from "./mutants/mutate.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const list = (folder: string, end: string): string[] =>
  existsSync(join(root, folder))
    ? (readdirSync(join(root, folder), { recursive: true }) as string[])
        .filter((f) => f.endsWith(end) && !f.includes("node_modules")) // bench/peers has its own
        .map((f) => join(folder, f))
        .sort()
    : [];

const shaders = list("shaders", ".wgsl").filter((f) => !f.startsWith("shaders/common/"));
const stemOf = (path: string) => path.replace(/^.*\//, "").replace(/\.\w+$/, "");
const header = (path: string) =>
  read(path)
    .split("\n")
    .filter((l) => l.startsWith("//"))
    .join("\n");
const hostOf = (path: string) => /\bHost:? +(\S+\.ts)/.exec(header(path))?.[1];

describe("stems", () => {
  /** Parts of an op that are no op themselves: planners and helpers, which the tests of their ops hold. */
  const NO_OP: Record<string, string> = {
    attention_strip: "matrix products, for attention",
    attention_tiled: "the form of attention for GPUs",
    convolution_parts: "batches in parts, for conv2d and conv_transpose2d; test/engine/parts.test.ts",
    fitted: "memory shapes of operands, for linear and matmul",
    gather_rows: "a host copy of rows; test/ops/gather_rows.test.ts",
    gemm: "runs what gemm_plan plans; test/ops/matmul.test.ts, conv2d.test.ts",
    gemm_plan: "plans; test/ops/matmul.test.ts",
    group_norm_pair: "group_norm of two tensors joined; test/ops/group_norm.test.ts",
    group_norm_plan: "plans of group_norm",
    group_norm_whole: "the form of group_norm for GPUs",
    images: "shapes of images, for pool and interpolate",
    random: "its twins stand in engine/random.ts, for use without a device; test/ops/random.test.ts",
    rows: "the choice of a kernel for rows, for softmax and its kin",
    strided: "views, for layout, cat and reduce",
    convolution: "shapes and paddings, for conv2d and conv_transpose2d",
    tiled_plan: "plans; test/engine/tiled.test.ts",
    weight_gradient: "what linear, matmul and conv2d share on the way back",
  };
  /** Ops whose tests and twin stand in another stem's file. */
  const IN_ANOTHER: Record<string, string> = { linear: "matmul", variance: "reduce", winograd: "conv2d" };

  const ops = list("engine/ops", ".ts")
    .map(stemOf)
    .filter((stem) => !(stem in NO_OP) && !stem.endsWith("_plan"));

  test.each(ops)("%s has a test and a float64 twin", (stem) => {
    const place = IN_ANOTHER[stem] ?? stem;
    expect(existsSync(join(root, `test/ops/${place}.test.ts`)), `test/ops/${place}.test.ts`).toBe(true);
    expect(existsSync(join(root, `test/reference/${place}.ts`)), `test/reference/${place}.ts`).toBe(true);
  });

  test.each(shaders)("%s has a host that exists, and every file its header names", (path) => {
    const host = hostOf(path);
    expect(host, "the header's slot `Host`").toBeDefined();
    for (const [, named] of header(path).matchAll(
      /(?<![\w/.])((?:engine|data|test|shaders|common|models)\/[\w/.-]+\.(?:ts|wgsl))/g,
    )) {
      const at = named!.startsWith("common/") ? `shaders/${named}` : named!;
      expect(existsSync(join(root, at)), `${at}, named in the header`).toBe(true);
    }
    for (const [, named] of header(path).matchAll(/(?<![\w/.])(\w+\.wgsl)/g)) {
      expect(
        ["shaders", "shaders/common", "shaders/ladder"]
          .map((folder) => `${folder}/${named}`)
          .some((f) => existsSync(join(root, f))),
        `${named}, named in the header`,
      ).toBe(true);
    }
  });

  test("every kernel is named by a host, in full or from parts", () => {
    const texts = ["engine", "data", "models", "train", "sample", "evaluate", "bench"]
      .flatMap((f) => list(f, ".ts"))
      .map(read);
    const names = new Set(
      texts.flatMap((t) => [...t.matchAll(/["'`](?:ladder\/)?([\w${}.]+)["'`]/g)].map((m) => m[1]!)),
    );
    // `${op}_rows` stands for softmax_rows: a template names what its fixed parts fit.
    const patterns = [...names]
      .filter((n) => n.includes("${"))
      .map((n) => n.split(/\$\{[^}]*\}/))
      .filter((parts) => parts.join("").length >= 4);
    const fits = (name: string) =>
      names.has(name) || patterns.some((parts) => new RegExp(`^${parts.join("\\w+")}$`).test(name));
    expect(shaders.map(stemOf).filter((name) => !fits(name))).toEqual([]);
  });
});

test("imports point one way", () => {
  const all = ["engine", "models", "sample", "data", "train", "evaluate", "files", "bench", "demo", "bin"];
  const allowed: Record<string, readonly string[]> = {
    engine: ["engine"],
    models: ["engine", "models"],
    sample: ["engine", "models", "data", "evaluate", "sample"],
    data: ["engine", "data"],
    evaluate: all.filter((f) => f !== "bin"),
    train: all.filter((f) => f !== "bin"),
    files: all.filter((f) => f !== "bin"),
    bench: [...all.filter((f) => f !== "bin"), "test"], // the golden numbers
    demo: all.filter((f) => f !== "bin"),
    bin: all,
  };
  const wrong = all.flatMap((folder) =>
    list(folder, ".ts")
      .filter((path) => !/^\w+\/cli\.ts$/.test(path))
      .flatMap(
        (
          path, // a command may use every room
        ) =>
          [...read(path).matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+)"/g)]
            .map((m) => normalize(join(dirname(path), m[1]!)).split("/")[0]!)
            .filter((target) => !allowed[folder]!.includes(target))
            .map((target) => `${path} imports ${target}/`),
      ),
  );
  expect([...new Set(wrong)]).toEqual([]);
});

describe("documents", () => {
  const documents = ["README.md", ...list("docs", ".md")].filter((f) => existsSync(join(root, f)));

  test.each(documents)("every file#symbol of %s is there", (path) => {
    const named = [...read(path).matchAll(/`([\w/.-]+)#([\w.]+)`/g)];
    const missing = named.filter(
      ([, file, symbol]) => !existsSync(join(root, file!)) || !declares(read(file!), symbol!),
    );
    expect(missing.map((m) => m[0])).toEqual([]);
    if (path === "docs/map.md") expect(named.length).toBeGreaterThan(8);
  });

  test.each(documents)("every source file that %s names is there", (path) => {
    const named = [...read(path).matchAll(/`([a-z]+\/[\w/.-]+\.(?:ts|mjs|wgsl))`/g)].map((m) => m[1]!);
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test.each(documents)("every local link of %s leads somewhere", (path) => {
    const text = read(path).replace(/```[\s\S]*?```/g, "");
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((m) => m[1]!)
      .filter((to) => !/^(?:https?:|mailto:)/.test(to));
    const broken = links.filter((to) => {
      const [file, anchor] = to.split("#", 2) as [string, string?];
      const target = file ? normalize(join(dirname(path), file)) : path;
      return (
        !existsSync(join(root, target)) || (anchor && target.endsWith(".md") && !anchors(read(target)).includes(anchor))
      );
    });
    expect(broken).toEqual([]);
  });
});

/** Whether a text declares a function, class, constant or, as `Class.method`, a member. */
function declares(text: string, symbol: string): boolean {
  const [first, member] = symbol.split(".") as [string, string?];
  const outer = new RegExp(
    `^\\s*(?:export )?(?:abstract )?(?:async )?(?:function\\*?|class|const|let|interface|type|fn|struct) ${first}\\b`,
    "m",
  ).test(text);
  return (
    outer &&
    (!member || new RegExp(`^ +(?:(?:static|async|private|readonly|get) )*${member}\\b[^;\\n]*[({:]`, "m").test(text))
  );
}

/** GitHub's anchors of a document's headings. */
const anchors = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map((m) =>
    m[1]!
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

test("accepted mutants are mutants: the lines they name are still there, and each has its reason", () => {
  const accepted = JSON.parse(read("test/mutants/accepted.json")) as Record<string, string>;
  const files = [...new Set(Object.keys(accepted).map((id) => id.split(" | ", 1)[0]!))];
  const known = new Set(
    files
      .filter((f) => existsSync(join(root, "shaders", f)))
      .flatMap((f) => mutantsOf(f, read(`shaders/${f}`)).map((m) => m.id)),
  );
  expect(Object.keys(accepted).filter((id) => !known.has(id))).toEqual([]);
  expect(Object.values(accepted).every((reason) => reason.length > 10)).toBe(true);
});
