// Whatever a user gets wrong ends with one message on stderr, no stack, and the exit code of its kind: 2 usage, 3 no adapter,
// 4 a bad file.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeNpy } from "../../engine/io/npy.js";
import { openSafetensors, writeSafetensors } from "../../engine/io/safetensors.js";
import { shippedWeights } from "../../sample/nets.js";
import { command } from "./command.js";

const uiface = command();
/** What ended so, for a snapshot. */
const said = async (...args: string[]) => {
  const { code, out, err } = await uiface.run(args);
  expect(out).toBe("");
  expect(err).not.toMatch(/^ +at /m);
  return `${code}\n${err.trimEnd()}`;
};

describe("help", () => {
  test.each([
    "--help",
    "doctor --help",
    "tune --help",
    "demo --help",
    "sample --help",
    "train --help",
    "train vqgan --help",
    "train recogniser -h",
    "train diffusion --help",
    "train shipped --help",
    "export --help",
    "inspect --help",
    "convert --help",
  ])("%s begins with examples, on stdout", async (line) => {
    const { code, out, err } = await uiface.run(line.split(" "));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^Examples:\n {2}(uiface|npm) /);
    expect(out).toMatch(/^ +--?\w/m);
  });

  test("why: a script that asks for the version gets it alone", async () => {
    expect((await uiface.run(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("usage", () => {
  test("why: a typing error names what was meant", async () => {
    expect(await said("smaple")).toMatchInlineSnapshot(`
      "2
      Unknown command 'smaple'
      (Did you mean sample?)
      See \`uiface --help\`."
    `);
    expect(await said("train", "vqagn")).toMatchInlineSnapshot(`
      "2
      Unknown command 'vqagn'
      (Did you mean vqgan?)
      See \`uiface train --help\`."
    `);
    expect(await said("sample", "--imags", "3")).toMatchInlineSnapshot(`
      "2
      Unknown option '--imags'
      (Did you mean --images?)
      See \`uiface sample --help\`."
    `);
    expect(await said("train", "diffusion", "--bacth", "3")).toMatchInlineSnapshot(`
      "2
      train diffusion: there is no setting --bacth. Did you mean --batch?
      See all settings with --help."
    `);
  });

  test("why: a value of the wrong type or out of range must not run for an hour first", async () => {
    expect(await said("sample", "--images", "many")).toMatchInlineSnapshot(`
      "2
      Option '--images <n>' argument 'many' is invalid. It takes a whole number from 1 on.
      See \`uiface sample --help\`."
    `);
    expect(await said("sample", "--batch", "0")).toMatchInlineSnapshot(`
      "2
      Option '--batch <n>' argument '0' is invalid. It takes a whole number from 1 on.
      See \`uiface sample --help\`."
    `);
    expect(await said("demo", "--seed", "1.5")).toMatchInlineSnapshot(`
      "2
      Option '--seed <n>' argument '1.5' is invalid. It takes a whole number from 0 on.
      See \`uiface demo --help\`."
    `);
    expect(await said("train", "vqgan", "--batch", "0")).toMatchInlineSnapshot(`
      "2
      train vqgan: --batch takes a whole number from 1 on, not "0".
      See all settings with --help."
    `);
    expect(await said("train", "recogniser", "--net", "ir50")).toMatchInlineSnapshot(`
      "2
      train recogniser: --net takes ir_18, ir_34, ir_50, ir_101, ir_tiny, iresnet18, iresnet34, iresnet50, iresnet100, not "ir50". Did you mean ir_50?
      See all settings with --help."
    `);
    expect(await said("train", "recogniser", "--head", "arcfase")).toMatchInlineSnapshot(`
      "2
      train recogniser: --head takes arcface, cosface, curricularface, adaface, not "arcfase". Did you mean arcface?
      See all settings with --help."
    `);
    expect(await afterAdapter("train", "vqgan", "--data", "drawn:4")).toMatchInlineSnapshot(`
      "2
      --data drawn:4: drawn people are written drawn:IDENTITIESxPICTURES or drawn:IDENTITIESxPICTURES+FIRST, as drawn:400x16."
    `);
  });

  test("why: what is left over was meant to do something", async () => {
    expect(await said("doctor", "now")).toMatchInlineSnapshot(`
      "2
      Too many arguments for 'doctor'. Expected 0 arguments but got 1.
      See \`uiface doctor --help\`."
    `);
    expect(await said("train", "vqgan", "data/faces")).toMatchInlineSnapshot(`
      "2
      train vqgan: "data/faces" is not expected here: settings are given as --name value."
    `);
  });

  test("why: an adapter that does not exist is a wrong setting", async () => {
    const { code, err } = await uiface.run(["doctor"], { env: { UIFACE_ADAPTER: "swiftshade" } });
    expect(code).toBe(2);
    expect(err).toMatchInlineSnapshot(`
      "UIFACE_ADAPTER is "swiftshade", but can only be gpu, lavapipe, swiftshader. Did you mean swiftshader?
      "
    `);
  });
});

// The Vulkan loader looks where these two say, and nowhere else.
const noGpu = { UIFACE_ADAPTER: "gpu", VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" };

describe.skipIf(process.platform !== "linux")("no adapter", () => {
  test("why: what was tried, what was found and what to do, in the terminal", async () => {
    const { code, out, err } = await uiface.run(["sample", "--out", uiface.out], { env: noGpu });
    expect({ code, out }).toEqual({ code: 3, out: "" });
    expect(err).toMatchInlineSnapshot(`
      "No usable WebGPU adapter.
        gpu          Dawn found no Vulkan, Metal or D3D12 adapter
      Unset UIFACE_ADAPTER to take the best that works.
      "
    `);
  });

  test("why: doctor is asked most where nothing works, also by programs", async () => {
    const { code, out, err } = await uiface.run(["doctor", "--json"], { env: noGpu });
    expect(code).toBe(3);
    expect(err).toContain("No usable WebGPU adapter.");
    expect(JSON.parse(out)).toMatchObject({
      adapter: null,
      tried: [{ kind: "gpu", reason: expect.any(String) }],
      next: expect.stringContaining("UIFACE_ADAPTER"),
    });
  });
});

describe("files", () => {
  test("why: a folder that is missing, empty or a file", async () => {
    expect(await afterAdapter("train", "vqgan", "--data", "faces")).toMatchInlineSnapshot(`
      "4
      --data faces: no such folder. Give a folder of <identity>/<k>.png, or drawn:400x16."
    `);
    mkdirSync(join(uiface.out, "empty"));
    expect(await afterAdapter("train", "vqgan", "--data", "empty")).toMatchInlineSnapshot(`
      "4
      empty holds no folder with pictures in it.
      Expected <identity>/<anything>.png or .jpg inside it, one folder for each person."
    `);
    writeFileSync(join(uiface.out, "file"), "");
    expect(await afterAdapter("train", "vqgan", "--data", "file")).toMatchInlineSnapshot(`
      "4
      file is a file, but a folder of identity folders is needed."
    `);
  });

  test("why: an --out where nothing can be written is told before the work, not after", async () => {
    writeFileSync(join(uiface.out, "file"), "");
    expect(await said("sample", "--out", "file")).toMatchInlineSnapshot(`
      "4
      file was not written: a file of that name is in the way (EEXIST).
      A file of that name is as it was before. Name another folder."
    `);
  });

  test("why: images of two runs in one folder would be taken for one set", async () => {
    mkdirSync(join(uiface.out, "faces", "0"), { recursive: true });
    expect(await said("sample", "--out", "faces")).toMatchInlineSnapshot(`
      "2
      faces holds 1 file or folder already: images of two runs would be one set.
      Choose another --out, or use --force to write over those of the same names."
    `);
  });

  test("why: weights that are missing, of another net, or no weights", async () => {
    expect(await said("sample", "--weights", "nets")).toMatchInlineSnapshot(`
      "4
      nets/vqgan.safetensors is missing.
      Train it with \`uiface train vqgan\`, give your file the name vqgan (before .safetensors, .ckpt, .pth, .pt or .npz), or name another folder with --weights."
    `);
    const folder = join(uiface.out, "nets");
    mkdirSync(folder);
    const vqgan = openSafetensors(join(shippedWeights(), "vqgan.safetensors"));
    const tensors = vqgan.names.map((name) => {
      const { shape, dtype, data } = vqgan.read(name);
      const tensor = name === "quant_conv.bias" ? { shape: [1, ...shape], dtype, data } : { shape, dtype, data };
      return [name, tensor] as [string, typeof tensor];
    });
    writeSafetensors(join(folder, "vqgan.safetensors"), tensors, { metadata: { net: "tiny" } });
    expect(await said("sample", "--weights", "nets")).toMatchInlineSnapshot(`
      "4
      nets/vqgan.safetensors does not fit the autoencoder "tiny": 152 of 153 tensors match, 1 is wrong.
        wrong    quant_conv.bias is (1, 3), not (3)
      \`uiface inspect nets/vqgan.safetensors\` shows what it holds. Nothing was loaded."
    `);
    writeSafetensors(join(folder, "vqgan.safetensors"), tensors, { metadata: { net: "tyni" } });
    expect(await said("sample", "--weights", "nets")).toMatchInlineSnapshot(`
      "4
      nets/vqgan.safetensors is for the net "tyni"; known are vq-f4, tiny."
    `);
    writeFileSync(join(folder, "vqgan.safetensors"), "not a file of tensors");
    expect(await said("sample", "--weights", "nets")).toMatchInlineSnapshot(`
      "4
      nets/vqgan.safetensors is refused: it begins with 6E 6F 74 20 61 20 66 69, which no known file does.
      Files of tensors are safetensors, torch checkpoints (zip and legacy), .npy, .npz and pickles of arrays."
    `);
  });

  test("why: contexts of another recogniser, or too few", async () => {
    writeNpy(join(uiface.out, "c.npy"), { shape: [2, 512], dtype: "f32", data: new Float32Array(1024).fill(1) });
    expect(await said("sample", "--contexts", "c.npy")).toMatchInlineSnapshot(`
      "4
      c.npy is (2, 512), but this net takes contexts of shape (N, 128).
      Give embeddings by the recogniser that the net was trained with."
    `);
    writeNpy(join(uiface.out, "c.npy"), { shape: [2, 128], dtype: "f32", data: new Float32Array(256).fill(1) });
    expect(await said("sample", "--contexts", "c.npy")).toMatchInlineSnapshot(`
      "2
      c.npy holds 2 identities, 8 are wanted. Use --identities 2."
    `);
    expect(await said("sample", "--contexts", "d.npy")).toMatchInlineSnapshot(`
      "4
      d.npy does not exist (ENOENT). Check the path."
    `);
  });
});

/** As `said`, without the line that names the adapter. */
const afterAdapter = async (...args: string[]) => (await said(...args)).replace(/^adapter .*\n/m, "");
