// Training as users do it: from drawn faces and from folders, killed, interrupted, on a full disk, twice at once.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { readMetrics } from "../../train/metrics.js";
import { bytes, command } from "./command.js";

const uiface = command();
const folder = (...path: string[]) => join(uiface.out, ...path);
const small = ["--data", "drawn:4x2", "--batch", "2"];
const saved = (run: string) => readdirSync(folder(run)).filter((name) => name.startsWith("step-"));

describe("the three nets", () => {
  test("why: autoencoder and recogniser train the diffusion model, whose images the sampler makes", async () => {
    const train = async (net: string, ...more: string[]) => {
      const { code, out, err } = await uiface.run(["train", net, ...small, "--steps", "2", "--out", net, ...more]);
      expect({ code, out }, err).toEqual({ code: 0, out: `${net}/${net}.safetensors\n` });
      expect(openSafetensors(folder(net, `${net}.safetensors`)).metadata.get("net")).toMatch(/tiny$/);
      const rows = readMetrics(folder(net, "metrics.jsonl"));
      expect(rows.map(({ step }) => step)).toEqual([0, 1]);
      expect(rows.flatMap(({ values }) => Object.values(values)).every(Number.isFinite)).toBe(true);
    };
    await train("vqgan");
    await train("recogniser");
    await train("diffusion", "--vqgan", "vqgan/vqgan.safetensors", "--recogniser", "recogniser/recogniser.safetensors");

    mkdirSync(folder("nets"));
    for (const net of ["vqgan", "recogniser", "diffusion"])
      writeFileSync(folder("nets", `${net}.safetensors`), readFileSync(folder(net, `${net}.safetensors`)));
    const options = ["--weights", "nets", "--steps", "4", "--max-cosine", "1", "--identities", "2", "--images", "1"];
    const sample = (...more: string[]) => uiface.run(["sample", ...options, ...more]);
    const { code, out, err } = await sample("--batch", "2", "--out", "a");
    expect({ code, out }, err).toEqual({ code: 0, out: "a\n" });
    expect(readdirSync(folder("a"))).toEqual(["0", "1"]);
    expect(await sharp(folder("a", "1", "0.png")).metadata()).toMatchObject({ width: 64, height: 64, channels: 3 });
    await sample("--batch", "1", "--out", "b");
    for (const id of ["0", "1"]) expect(bytes(folder("b", id, "0.png"))).toEqual(bytes(folder("a", id, "0.png")));
  });
});

describe("folders of pictures", () => {
  const picture = (seed: number) =>
    sharp(Buffer.from(Uint8Array.from({ length: 3 * 80 * 96 }, (_, i) => (i * seed) % 256)), {
      raw: { width: 80, height: 96, channels: 3 },
    });

  test("why: a broken picture among good ones is named and counted, and --strict ends the run", async () => {
    for (const person of ["ann", "bob"]) mkdirSync(folder("faces", person), { recursive: true });
    await picture(7).png().toFile(folder("faces", "ann", "0.png"));
    await picture(3).jpeg().toFile(folder("faces", "ann", "1.JPG"));
    await picture(5).greyscale().jpeg().toFile(folder("faces", "bob", "0.jpeg"));
    writeFileSync(folder("faces", "bob", "1.png"), "no picture");
    writeFileSync(folder("faces", "notes.txt"), "not read");

    const args = ["train", "vqgan", "--data", "faces", "--batch", "1", "--steps", "1", "--size", "32"];
    const { code, err } = await uiface.run([...args, "--out", "run"]);
    expect(code, err).toBe(0);
    expect(err).toContain("faces/bob/1.png cannot be read as a picture: ");
    expect(err).toContain("1 picture in faces could not be read and is left out; --strict makes this an error.");
    expect(err).toContain("data     faces: 3 images of 2 people, 32 px");

    const strict = await uiface.run([...args, "--strict", "--out", "strict"]);
    expect(strict.code).toBe(4);
    expect(strict.err.trim().split("\n").at(-1)).toMatch(/^faces\/bob\/1\.png cannot be read as a picture: .*\.$/);
  });
});

describe("the same bits", () => {
  const steps = 6;
  const train = (out: string, ...more: string[]) =>
    ["train", "recogniser", ...small, "--steps", String(steps), "--save-every", "1", "--out", out, ...more];
  const weights = (run: string) => bytes(folder(run, "recogniser.safetensors"));
  const state = (run: string) => ["backbone", "head", "sgd"].map((part) => bytes(folder(run, `step-${steps}`, `${part}.safetensors`)));

  test("why: one seed is one result, whether a run is whole, killed at any step, or interrupted and refused a second process", async () => {
    const whole = await uiface.run(train("whole"));
    expect(whole.code, whole.err).toBe(0);
    expect((await uiface.run(train("seed", "--seed", "1"))).code).toBe(0);
    expect(weights("seed")).not.toEqual(weights("whole"));

    const at = 1 + Math.floor(Math.random() * (steps - 2)); // named by the message below, if it fails
    const killed = uiface.start(train("killed"));
    await killed.until(() => bytes(folder("killed", `step-${at}`, "state.json")) !== undefined);
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(weights("killed")).toBeUndefined();
    const resumed = await uiface.run(train("killed"));
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.err).toMatch(/^Goes on from killed\/step-\d\.$/m);
    expect(weights("killed"), `killed after step ${at}`).toEqual(weights("whole"));
    expect(state("killed"), `killed after step ${at}`).toEqual(state("whole"));
    expect(readFileSync(folder("killed", "metrics.jsonl"))).toEqual(readFileSync(folder("whole", "metrics.jsonl")));

    const stopped = uiface.start(train("stopped"));
    await stopped.until(() => bytes(folder("stopped", "metrics.jsonl")) !== undefined);
    const second = await uiface.run(train("stopped"));
    expect(second.code).toBe(2);
    expect(second.err.replace(/^(adapter|data) .*\n/gm, "").replace(/process \d+/, "process PID")).toMatchInlineSnapshot();
    if (stopped.child.exitCode === null) stopped.child.kill("SIGINT");
    const { code, err } = await stopped.ended;
    expect(code, err).toBe(130);
    expect(err).toMatch(/^Stopped after step \d of 6; all is saved in stopped\.\nRun the same command again to go on\.$/m);
    expect((await uiface.run(train("stopped"))).code).toBe(0);
    expect(weights("stopped")).toEqual(weights("whole"));
  });

  test("why: a save of other settings must not be half loaded", async () => {
    expect((await uiface.run(train("run", "--steps", "1"))).code).toBe(0);
    const { code, err } = await uiface.run([...train("run"), "--data", "drawn:5x2"]);
    expect(code).toBe(4);
    expect(err.replace(/^(adapter|data) .*\n/gm, "")).toMatchInlineSnapshot();
    expect(saved("run")).toEqual(["step-1"]);
  });
});

/** A file system of a given size, which ends with the shell that made it. */
const tmpfs = (size: string) => `mkdir -p full && mount -t tmpfs -o size=${size} tmpfs full`;
const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "cd /tmp && mkdir -p uiface-mount && mount -t tmpfs tmpfs uiface-mount"]).status === 0;

describe.skipIf(!canMount)("a full disk", () => {
  test("why: the save that did not fit is absent, the one before is whole, and the message says so", async () => {
    const { code, out, err } = await uiface.run(["train", "recogniser", ...small, "--steps", "9", "--save-every", "1", "--out", "full"], {
      shell: `exec unshare -rm sh -c '${tmpfs("4m")}; "$@"; code=$?; ls -A full; exit $code' sh "$@"`,
    });
    expect(code, err).toBe(4);
    expect(err.replace(/^(adapter|data|step) .*\n/gm, "")).toMatchInlineSnapshot();
    expect(out.split("\n").filter((name) => name.startsWith("step-") || name.includes("tmp"))).toEqual(["step-1"]);
  });
});
