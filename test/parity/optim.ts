// Optimisers, clipping and averaging against PyTorch's. Inputs follow from names, as the file's metadata says in words. Decays, betas
// and momenta the file does not name: they are the values here with which PyTorch's update rules lead to its numbers.

import { Adam, AdamW, clipGradNorm, Ema, flatten, SGD } from "../../engine/optim.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { type Golden, hashed, loadGolden, paramValue, relativeError } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";
import { ensureDevice } from "./nets.js";

const primitive = 1e-5;

/** An optimiser by the name of its case; a suffix after `adam` or `sgd` that is a schedule changes the rates alone. */
function optimizerOf(name: string, parameters: Tensor[]): Adam | SGD {
  if (name === "adamw") return new AdamW(parameters, { weightDecay: 0.1 });
  if (name === "adam_wd") return new Adam(parameters, { weightDecay: 0.1, betas: [0.8, 0.95], eps: 1e-6 });
  if (name === "sgd_momentum") return new SGD(parameters, { momentum: 0.9, weightDecay: 5e-4 });
  if (name.startsWith("adam")) return new Adam(parameters);
  return new SGD(parameters, { momentum: name === "sgd" ? 0 : 0.9, nesterov: name === "sgd_nesterov" });
}

parity("optim", async () => {
  const golden = loadGolden("optim");
  const optimizers = golden.names(/\/lr$/).map((rates): ParityCase => {
    const name = rates.split("/")[0]!;
    return { file: "optim", case: name, allowed: primitive, run: () => scope(() => trained(golden, name)) };
  });
  return [
    ...optimizers,
    { file: "optim", case: "clip", allowed: primitive, run: () => scope(() => clipped(golden)) },
    { file: "optim", case: "ema", allowed: primitive, run: () => scope(() => averaged(golden)) },
  ];
});

function free(owners: { dispose(): void }[], parameters: Tensor[]): void {
  for (const x of [...owners, ...parameters]) x.dispose();
}

/** All updates of one optimiser; the error of its parameters. */
async function trained(golden: Golden, name: string): Promise<number> {
  await ensureDevice();
  const keys = ["w", "b"];
  const parameters = keys.map((key) => {
    const shape = golden.shape(`${name}/${key}`);
    return tensor(hashed(`${golden.tag}optim.${key}`, shape), shape).requiresGrad(key);
  });
  const optimizer = optimizerOf(name, parameters);
  const rates = golden.read(`${name}/lr`).data as Float64Array;
  rates.forEach((lr, i) => {
    for (const p of parameters) {
      const g = hashed(`${golden.tag}optim.grad.${p.name}.${i}`, p.shape).map((x) => Math.fround(0.3) * x);
      backward(p, tensor(g, p.shape));
    }
    optimizer.step({ lr });
    optimizer.zeroGrad();
  });
  const errors: number[] = [];
  for (const p of parameters) errors.push(relativeError(await p.read(), golden.values(`${name}/${p.name}`)));
  free([optimizer], parameters);
  return Math.max(...errors);
}

/**
 * The file holds the clipped gradients and the norm before; they point the same way, so the gradients before are the
 * clipped ones times the ratio of the norms. An update with lr 1 from zero weights shows what clipping left.
 */
async function clipped(golden: Golden): Promise<number> {
  await ensureDevice();
  const want = { w: golden.values("clip/w"), b: golden.values("clip/b") };
  const norm = golden.values("clip/total_norm")[0]!;
  const maxNorm = Math.round(Math.hypot(...want.w, ...want.b) * 1e4) / 1e4;
  const parameters = Object.entries(want).map(([key, g]) => {
    const shape = golden.shape(`clip/${key}`);
    const p = tensor(new Float32Array(g.length), shape).requiresGrad(key);
    backward(
      p,
      tensor(
        g.map((x) => (x * norm) / maxNorm),
        shape,
      ),
    );
    return p;
  });
  const got = clipGradNorm(parameters, maxNorm);
  const optimizer = new SGD(parameters);
  optimizer.step({ lr: 1 });
  const errors = [relativeError(await got.read(), [norm])];
  for (const p of parameters)
    errors.push(
      relativeError(
        (await p.read()).map((x) => -x),
        want[p.name as "w" | "b"],
      ),
    );
  free([optimizer], parameters);
  return Math.max(...errors);
}

/** Ten changes of the parameters, each followed by an update of the average. */
async function averaged(golden: Golden): Promise<number> {
  await ensureDevice();
  const names = golden.names(/^ema\/(?!decay)/).map((name) => name.slice("ema/".length));
  const parameters = names.map((name) => {
    const shape = golden.shape(`ema/${name}`);
    return tensor(paramValue(`${golden.tag}ema.${name}`, shape), shape).requiresGrad(name);
  });
  const ema = new Ema(parameters);
  for (const [i, decay] of golden.values("ema/decay").entries()) {
    for (const p of parameters) {
      const delta = hashed(`${golden.tag}ema.delta.${p.name}.${i}`, p.shape);
      p.write((await p.read()).map((x, k) => x + Math.fround(0.1) * delta[k]!));
    }
    ema.update(decay);
  }
  const errors: number[] = [];
  for (const [name, average] of ema.stateDict())
    errors.push(relativeError(await average.read(), golden.values(`ema/${name}`)));
  free([ema, flatten(parameters)], parameters);
  return Math.max(...errors);
}
