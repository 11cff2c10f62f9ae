// `uiface inspect` and `uiface convert` as users run them. UIFACE_ADAPTER names an adapter that does not exist: no device is
// opened. Every golden file goes through inspect, all of a kind in one process.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Outgoing } from "../../engine/io/encode.js";
import { openTensors } from "../../engine/io/open.js";
import { writeSafetensors } from "../../engine/io/safetensors.js";
import { writeTorch } from "../../engine/io/torch-write.js";
import { goldenDir } from "../golden.js";
import { noPython, python } from "../python.js";
import { command } from "./command.js";

const uiface = command();
const run = (...args: string[]) => uiface.run(args, { env: { UIFACE_ADAPTER: "none" } });
const weights = (name: string) => fileURLToPath(new URL(`../../weights/${name}.safetensors`, import.meta.url));

interface Bad {
  error: boolean | "either" | "or_skip";
  kind?: string;
}

const folder = (...parts: string[]) => join(goldenDir(), ...parts);
const expected = <T>(...parts: string[]): T => JSON.parse(readFileSync(folder(...parts, "expected.json"), "utf8")) as T;
const files = expected<Record<"torch" | "npy" | "npz" | "safetensors" | "bad", Record<string, Bad>>>(
  "formats",
  "files",
);
const bins = expected<Record<"files" | "bad", Record<string, Bad>>>("formats", "bins");

/** Sets of images are told from tensors, and named; another command reads them. */
const isSet = (name: string) => /\.(tar|parquet)$/.test(name);

describe("golden files", () => {
  test("why: a file that its own program reads is read, and exit code 0 says so", async () => {
    const good = [
      ...["torch", "npy", "npz", "safetensors"].flatMap((kind) =>
        Object.keys(files[kind as "npy"]).map((name) => folder("formats", "files", name)),
      ),
      ...Object.keys(bins.files).map((name) => folder("formats", "bins", name)),
      ...readdirSync(folder("files"))
        .filter((name) => !/^(evil|bad_|huge_|overlap|truncated|object)|\.(json|png)$/.test(name))
        .map((name) => folder("files", name)),
      ...readdirSync(goldenDir())
        .filter((name) => name.endsWith(".safetensors"))
        .map((name) => folder(name)),
    ];
    expect(good.length).toBeGreaterThan(100);
    const { code, out, err } = await run("inspect", ...good);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const path of good)
      expect(out).toMatch(new RegExp(`^${path.replace(/[.+]/g, "\\$&")} (is|holds) .*\\.$`, "m"));
    expect(out).not.toMatch(/undefined|\[object|NaN to/);
  });

  test("why: a bad one is named with what is wrong, exit code 4, and nothing else happens", async () => {
    const bad = [
      ...Object.entries(files.bad)
        .filter(([name, { error }]) => error === true || isSet(name))
        .map(([name]) => folder("formats", "files", "bad", name)),
      ...Object.entries(bins.bad)
        .filter(([, { error }]) => error === true)
        .map(([name]) => folder("formats", "bins", "bad", name)),
      ...readdirSync(folder("files"))
        .filter((name) => /^(evil|bad_|huge_|overlap|truncated|object)|\.(json|png)$/.test(name))
        .map((name) => folder("files", name)),
    ];
    expect(bad.length).toBeGreaterThan(100);
    const { code, out, err } = await run("inspect", ...bad);
    expect({ code, out }).toEqual({ code: 4, out: "" });
    for (const path of bad) expect(err).toContain(path);
    expect(err).not.toMatch(/^ +at /m);
    expect(err.split("\n").filter((line) => / (is refused|is too short|does not exist)/.test(line)).length).toBe(
      bad.length,
    );
    expect(existsSync("/tmp/pwned_by_pickle")).toBe(false);
  });

  test("why: one bad file alone is one message", async () => {
    const { code, out, err } = await run("inspect", folder("files", "evil.pt"));
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err.replaceAll(goldenDir(), "golden")).toMatchInlineSnapshot(`
      "golden/files/evil.pt:evil/data.pkl is refused: it calls "posix.system", which is not on the list, at byte 225 (REDUCE).
      Nothing was loaded and nothing was run. Save the state dict alone: torch.save(model.state_dict(), path).
      "
    `);
  });
});

const outgoing = (shape: number[], values: number[]): Outgoing => ({
  shape,
  dtype: "f32",
  read: () => Float32Array.from(values),
});

describe("inspect", () => {
  test("why: it must read like something a colleague would say", async () => {
    const path = join(uiface.out, "mixed.ckpt");
    const rows = Array.from({ length: 20 }, (_, i): [string, Outgoing] => [
      `layer.${i}.weight`,
      outgoing([2, 1], [i, -i]),
    ]);
    await writeTorch(
      path,
      new Map<string, Map<string, Outgoing> | number | string>([
        ["epoch", 3],
        ["note", "\u001b[31mred\u001b[0m"],
        ["state_dict", new Map([...rows, ["head.bias", outgoing([2], [Number.NaN, 1])]])],
      ]),
    );
    const { code, out } = await run("inspect", "mixed.ckpt");
    expect(code).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "mixed.ckpt holds 21 tensors of no net that is known here.

        file      torch zip, 7,977 bytes
        tensors   21, 42 values, f32
        values    NOT FINITE: 1, the first in state_dict.head.bias; the others from -19 to 19
        metadata  epoch = 3
                  note = \\u{1b}[31mred\\u{1b}[0m

        state_dict.layer.0.weight   (2, 1)  2  f32
        state_dict.layer.1.weight   (2, 1)  2  f32
        state_dict.layer.2.weight   (2, 1)  2  f32
        state_dict.layer.3.weight   (2, 1)  2  f32
        state_dict.layer.4.weight   (2, 1)  2  f32
        state_dict.layer.5.weight   (2, 1)  2  f32
        state_dict.layer.6.weight   (2, 1)  2  f32
        state_dict.layer.7.weight   (2, 1)  2  f32
        state_dict.layer.8.weight   (2, 1)  2  f32
        state_dict.layer.9.weight   (2, 1)  2  f32
        state_dict.layer.10.weight  (2, 1)  2  f32
        state_dict.layer.11.weight  (2, 1)  2  f32
        state_dict.layer.12.weight  (2, 1)  2  f32
        state_dict.layer.13.weight  (2, 1)  2  f32
        state_dict.layer.14.weight  (2, 1)  2  f32
        state_dict.layer.15.weight  (2, 1)  2  f32
        state_dict.layer.16.weight  (2, 1)  2  f32
        state_dict.layer.17.weight  (2, 1)  2  f32
        state_dict.layer.18.weight  (2, 1)  2  f32
        state_dict.layer.19.weight  (2, 1)  2  f32
        state_dict.head.bias        (2)     2  f32
      "
    `);
    expect((await run("inspect", "mixed.ckpt", "--all")).out.match(/layer\.\d+\.weight/g)).toHaveLength(20);
  });

  test("why: the shipped weights are what the README says, and the next command is named", async () => {
    const { out } = await run("inspect", ...["diffusion", "vqgan", "recogniser"].map(weights), "--json");
    const found = JSON.parse(out) as Record<string, unknown>[];
    expect(found.map(({ kind, net, format }) => ({ kind, net, format }))).toEqual([
      { kind: "diffusion", net: "tiny", format: "safetensors" },
      { kind: "vqgan", net: "tiny", format: "safetensors" },
      { kind: "recogniser", net: "ir_tiny", format: "safetensors" },
    ]);
    expect(found[0]).toMatchObject({ values: { notFinite: 0 }, metadata: { net: "tiny" }, prefix: "" });
    expect(JSON.stringify(found[0]!.takenBy)).toContain(`--init ${weights("diffusion")}`);
  });

  test("why: what a training run leaves is a folder", async () => {
    const save = join(uiface.out, "run", "step-20");
    mkdirSync(save, { recursive: true });
    const state = { format: 1, step: 20, settings: { net: "tiny", lr: 0.001 }, parts: ["unet", "adam"] };
    writeFileSync(join(save, "state.json"), JSON.stringify(state));
    writeSafetensors(join(save, "unet.safetensors"), [
      ["w", { shape: [2], dtype: "f32", data: Float32Array.of(1, 2) }],
    ]);
    const { code, out } = await run("inspect", "run", join("run", "step-20"));
    expect({ code, out }).toMatchInlineSnapshot(`
      {
        "code": 0,
        "out": "run is the folder of a training run with one save.

        file      folder
        besides   run/step-20

      run/step-20 is the save of a training run after 20 steps.

        file      folder, 72 bytes
        metadata  net = tiny
                  lr = 0.001
        besides   run/step-20/unet.safetensors
                  run/step-20/adam.safetensors is missing

      Next
        the \`uiface train\` command it comes from, with the same --out: it goes on from the newest save
      ",
      }
    `);
  });

  test("why: help begins with examples; what is missing or no run is one message", async () => {
    expect((await run("inspect", "--help")).out).toMatch(/^Examples:\n {2}uiface inspect /);
    const missing = await run("inspect", "nothing.pt");
    expect({ code: missing.code, err: missing.err }).toEqual({
      code: 4,
      err: "nothing.pt does not exist (ENOENT). Check the path.\n",
    });
    expect((await run("inspect", ".")).code).toBe(4);
    expect((await run("inspect")).code).toBe(2);
  });
});

describe("convert", () => {
  test("why: there and back, through every format, not a bit may change", async () => {
    const steps = ["a.ckpt", "b.npz", "c.safetensors", "Backbone_Epoch_1_checkpoint.pth"];
    let from = weights("recogniser");
    for (const to of steps) {
      const layout = to.endsWith(".pth") ? ["--layout", "authors"] : [];
      const { code, out, err } = await run("convert", from, to, ...layout);
      expect({ code, out }, err).toEqual({ code: 0, out: `${to}\n` });
      expect(err).toContain(`Next: uiface inspect ${to}`);
      from = to;
    }
    const [before, after] = [await openTensors(weights("recogniser")), await openTensors(join(uiface.out, from))];
    for (const name of before.names) expect(after.read(name), name).toEqual(before.read(name));
    const added = after.names.filter((name) => !before.has(name));
    expect(added.length).toBe(before.names.filter((name) => name.endsWith("running_var")).length);
    expect(added.every((name) => name.endsWith("num_batches_tracked"))).toBe(true);
  });

  test.skipIf(noPython)(`why: PyTorch must read what we convert ${noPython ?? ""}`, async () => {
    await run("convert", weights("recogniser"), "r.pth", "--layout", "authors");
    const script = `import torch, safetensors.torch
a = torch.load(sys.argv[1], weights_only=True)
b = safetensors.torch.load_file(sys.argv[2])
print(json.dumps(all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in b)))`;
    expect(python(script, [join(uiface.out, "r.pth"), weights("recogniser")])).toBe(true);
  });

  test("why: a file that is there may be the only copy", async () => {
    expect((await run("convert", weights("vqgan"), "v.pt")).code).toBe(0);
    const before = readFileSync(join(uiface.out, "v.pt"));
    const refused = await run("convert", weights("recogniser"), "v.pt");
    expect({ code: refused.code, err: refused.err }).toEqual({
      code: 2,
      err: "v.pt is there already. Use --force to overwrite it.\n",
    });
    expect(readFileSync(join(uiface.out, "v.pt")).equals(before)).toBe(true);
    expect((await run("convert", "v.pt", "v.pt", "--force")).code).toBe(0); // onto itself, too
    expect(readFileSync(join(uiface.out, "v.pt")).equals(before)).toBe(true);
    expect((await run("convert", folder("files", "evil.pt"), "w.pt")).code).toBe(4);
    expect((await run("convert", "v.pt", "v.onnx")).code).toBe(2);
    expect(readdirSync(uiface.out)).toEqual(["v.pt"]);
  });
});
