// Training as users do it: from drawn faces and from folders, killed, interrupted, on a full disk, twice at once.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { readMetrics } from "../../train/metrics.js";
import { bytes, command } from "./command.js";

const LIMIT_MS = 300_000; // these take some twenty seconds where nothing else runs

const uiface = command();
const folder = (...path: string[]) => join(uiface.out, ...path);
const small = ["--data", "drawn:4x2", "--batch", "2"];
/** stderr without the lines that every run has. */
const told = (err: string) => err.replace(/^(?:adapter |data |drawing |step [\d,]+\/).*\n/gm, "");

test("why: autoencoder and recogniser train the diffusion model, whose images the sampler makes", {
  timeout: LIMIT_MS,
}, async () => {
  const train = async (net: string, ...more: string[]) => {
    const { code, out, err } = await uiface.run([
      "train",
      net,
      "--data",
      "drawn:2x2",
      "--batch",
      "2",
      "--steps",
      "2",
      "--out",
      net,
      ...more,
    ]);
    expect({ code, out }, err).toEqual({ code: 0, out: `${net}/${net}.safetensors\n` });
    expect(openSafetensors(folder(net, `${net}.safetensors`)).metadata.get("net")).toMatch(/tiny$/);
    const rows = readMetrics(folder(net, "metrics.jsonl"));
    expect(rows.map(({ step }) => step)).toEqual([0, 1]);
    expect(rows.flatMap(({ values }) => Object.values(values)).every(Number.isFinite)).toBe(true);
    cpSync(folder(net, `${net}.safetensors`), folder("nets", `${net}.safetensors`));
  };
  await train("vqgan");
  await train("recogniser");
  await train("diffusion", "--vqgan", "nets/vqgan.safetensors", "--recogniser", "nets/recogniser.safetensors");

  const tiny = ["--identities", "2", "--images", "1", "--batch", "2", "--steps", "3", "--max-cosine", "1"];
  const { code, out, err } = await uiface.run(["sample", "--weights", "nets", ...tiny, "--out", "faces"]);
  expect({ code, out }, err).toEqual({ code: 0, out: "faces\n" });
  expect(err).toMatch(/^sampling +2 of 2 {3}[\d.]+ a second$/m);
  expect(readdirSync(folder("faces"))).toEqual(["0", "1"]);
  expect(await sharp(folder("faces", "1", "0.png")).metadata()).toMatchObject({ width: 64, height: 64, channels: 3 });
});

test("why: a broken picture among good ones is named and counted, and --strict ends the run", {
  timeout: LIMIT_MS,
}, async () => {
  const noise = (seed: number) => Buffer.from(Uint8Array.from({ length: 3 * 80 * 96 }, (_, i) => (i * seed) % 256));
  const picture = (seed: number) => sharp(noise(seed), { raw: { width: 80, height: 96, channels: 3 } });
  for (const person of ["ann", "bob"]) mkdirSync(folder("faces", person), { recursive: true });
  await picture(7)
    .png()
    .toFile(folder("faces", "ann", "0.png"));
  await picture(3)
    .jpeg()
    .toFile(folder("faces", "ann", "1.JPG"));
  await picture(5)
    .greyscale()
    .jpeg()
    .toFile(folder("faces", "bob", "0.jpeg"));
  writeFileSync(folder("faces", "bob", "1.png"), "no picture");
  writeFileSync(folder("faces", "notes.txt"), "not read");

  const args = ["train", "recogniser", "--data", "faces", "--batch", "3", "--steps", "1"];
  const { code, err } = await uiface.run([...args, "--out", "run"]);
  expect(code, err).toBe(0);
  expect(err).toContain("faces/bob/1.png cannot be read as a picture: ");
  expect(err).toContain("1 picture in faces could not be read and is left out; --strict makes this an error.");
  expect(err).toContain("data     faces: 3 images of 2 people, 64 px");

  const strict = await uiface.run([...args, "--strict", "--out", "strict"]);
  expect(strict.code).toBe(4);
  expect(told(strict.err)).toMatch(/^faces\/bob\/1\.png cannot be read as a picture: [^\n]*\.\n$/);
});

test("why: one seed is one result, whether a run is whole, killed at any step, or interrupted and refused a second process", {
  timeout: LIMIT_MS,
}, async () => {
  const steps = 8;
  const train = (out: string, ...more: string[]) => [
    "train",
    "recogniser",
    ...small,
    "--steps",
    String(steps),
    "--save-every",
    "1",
    "--out",
    out,
    ...more,
  ];
  const whole = await uiface.run(train("whole"));
  expect(whole.code, whole.err).toBe(0);

  const at = 1 + Math.floor(Math.random() * 4); // the messages below name it
  const killed = uiface.start(train("run"));
  await killed.until(() => bytes(folder("run", `step-${at}`, "state.json")) !== undefined);
  killed.child.kill("SIGKILL");
  await killed.ended;
  expect(bytes(folder("run", "recogniser.safetensors"))).toBeUndefined();

  const lastSave = () =>
    Math.max(...readdirSync(folder("run")).map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)));
  const from = lastSave();
  const resumed = uiface.start(train("run"));
  await resumed.until(() => (bytes(folder("run", ".lock")) ?? "").includes(`"pid":${resumed.child.pid}`));
  resumed.child.kill("SIGSTOP"); // alive for as long as the second process asks
  const second = await uiface.run(train("run"));
  resumed.child.kill("SIGCONT");
  await resumed.until(() => lastSave() > from);
  resumed.child.kill("SIGINT");
  const { code, err } = await resumed.ended;
  expect({ code: second.code, err: second.err }).toMatchObject({
    code: 2,
    err: expect.stringContaining(`is in use by process ${resumed.child.pid} `),
  });
  expect(err).toMatch(/^Goes on from run\/step-\d\.$/m);
  expect(err).toMatch(/^Stopped after step \d of 8; all is saved in run\.\nRun the same command again to go on\.$/m);
  expect(code, err).toBe(130);

  const last = await uiface.run(train("run"));
  expect(last.code, last.err).toBe(0);
  const files = [
    "recogniser.safetensors",
    "metrics.jsonl",
    ...["backbone", "head", "sgd"].map((part) => `step-${steps}/${part}.safetensors`),
  ];
  for (const file of files)
    expect(bytes(folder("run", file))?.equals(bytes(folder("whole", file))!), `${file}, killed after step ${at}`).toBe(
      true,
    );
});

test("why: a run folder in use, or of other settings, is left as it is", { timeout: LIMIT_MS }, async () => {
  const run = (...more: string[]) => ["train", "recogniser", ...small, "--steps", "1", "--out", "run", ...more];
  expect((await uiface.run(run())).code).toBe(0);
  const { pid } = process;
  writeFileSync(folder("run", ".lock"), JSON.stringify({ pid, host: hostname(), began: "" }));
  const second = await uiface.run(run());
  expect(second.code).toBe(2);
  expect(told(second.err).replace(String(pid), "PID")).toMatchInlineSnapshot(`
    "run is in use by process PID of this machine: two runs would overwrite each other's saves.
    Wait for it to end or stop it (Ctrl-C saves first), or name another --out.
    "
  `);

  writeFileSync(folder("run", ".lock"), "");
  const before = readFileSync(folder("run", "settings.json"));
  const other = await uiface.run(run("--data", "drawn:5x2"));
  expect(other.code).toBe(4);
  expect(told(other.err)).toMatchInlineSnapshot(`
    "run/step-1/head.safetensors is no save of this run.
    The state dict does not fit CosFace: 0 of 1 tensors match, 1 is wrong.
      wrong    kernel is (128, 4), not (128, 5)
    Give the file of this net, or build the net of this file. Nothing was loaded.
    Use the settings in run/step-1/state.json, or name another --out.
    "
  `);
  expect(readFileSync(folder("run", "settings.json"))).toEqual(before);
});

test("why: a loss that is not finite ends the run with a code of its own, so that a script does not go on", {
  timeout: LIMIT_MS,
}, async () => {
  const train = ["train", "recogniser", ...small, "--steps", "5", "--save-every", "1", "--lr", "1e30", "--out", "run"];
  const { code, err } = await uiface.run(train);
  expect(code, err).toBe(5);
  expect(told(err)).toMatch(
    /^step 1: the loss is not finite\. .*\n {2}last save {2}run\/step-1\n.*\nRun .* lower --lr .*\n$/,
  );
});

/** A file system of its own, which ends with the shell that made it. */
const alone = (work: string) => ["-rm", "sh", "-c", `mkdir -p full && mount -t tmpfs -o size=7m tmpfs full && ${work}`];
const canMount = spawnSync("unshare", alone("true"), { cwd: "/tmp" }).status === 0;

test.skipIf(!canMount)(
  "why: the save that a full disk had no room for is absent, the one before whole",
  { timeout: LIMIT_MS },
  async () => {
    const train = ["train", "recogniser", ...small, "--steps", "9", "--save-every", "1", "--out", "full"];
    const shell = `exec unshare ${alone("")[0]} sh -c '${alone(`{ "$@"; code=$?; ls -A full; exit $code; }`)[3]}' sh "$@"`;
    const { code, out, err } = await uiface.run(train, { shell });
    expect(code, err).toBe(4);
    expect(told(err)).toMatchInlineSnapshot(`
    "full/step-2/sgd.safetensors was not written: the disk is full (ENOSPC).
    A file of that name is as it was before. Free some space on the disk of full/step-2, or name another place.
    The last whole save is full/step-1.
    "
  `);
    expect(out.split("\n").filter((name) => name.includes("step-"))).toEqual(["step-1"]);
  },
);
