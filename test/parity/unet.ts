// The UNet against the authors' one: outputs for every kind of conditioning, attention logits and their summary, gradients; and
// the sampler's form of injection (rows of one batch), which must give the same as the literal one.

import { mse } from "../../engine/ops/loss.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { frequencies, sinusoids, TimeEmbedding } from "../../models/time_embedding.js";
import { UNet, type UNetConfig } from "../../models/unet.js";
import { type Golden, loadGolden } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";
import { against, floats, goldenNet, gradProbes, integers, once, probeCases } from "./nets.js";

parity("time_embedding", async () => {
  const golden = loadGolden("time_embedding");
  const channels = golden.number("n_channels");
  const t = integers(golden, "t");
  const embedding = async () => {
    const net = await goldenNet("time_embedding", golden, "time_emb.", () => new TimeEmbedding(channels));
    return scope(() => floats(noGrad(() => net.forward(t))));
  };
  const at = (name: string, got: () => Promise<ArrayLike<number>>, allowed = 1e-5) =>
    against(golden, "time_embedding", name, got, allowed);
  return [
    at("frequencies", async () => frequencies(channels / 8), 1e-7),
    // PyTorch's exp misses the nearest float32 for one frequency (0.511 units in the last place): times t = 999 that is 1.3e-5.
    at("sinusoid", async () => sinusoids(t, channels / 8), 2e-5),
    at("embedding", embedding),
  ];
});

interface Given {
  net: UNet;
  x: Tensor;
  t: number[];
  context: Tensor;
}

/** The net and its inputs, for the time of `work`. */
async function withNet<T>(golden: Golden, work: (given: Given) => Promise<T>): Promise<T> {
  const config = golden.json<UNetConfig>("config");
  const key = `unet ${golden.tag} ${golden.meta("config")}`;
  const net = await goldenNet(key, golden, "", () => new UNet(config));
  const upload = (name: string) => tensor(golden.values(name), golden.shape(name));
  return scope(() => work({ net, x: upload("x"), t: integers(golden, "t"), context: upload("context") }));
}

type Outputs = Record<string, Float32Array>;

/** Everything that needs no gradient. */
async function outputs(golden: Golden): Promise<Outputs> {
  return withNet(golden, async ({ net, x, t, context }) => {
    const out: Outputs = {};
    const all = noGrad(() => {
      const uncond = net.run(x, t, null, { maps: true });
      const cond = net.run(x, t, context, { maps: true, heat: true });
      const { selfMaps, crossMaps } = uncond;
      const injected = net.run(x, t, context, { selfMaps, crossMaps });
      const tensors: Record<string, Tensor> = {
        eps_uncond: uncond.eps,
        eps_cond: cond.eps,
        eps_injected_self: net.forward(x, t, context, { selfMaps }),
        eps_injected_self_cross: injected.eps,
        attention_heatmap: cond.heat!,
      };
      const flag = /eps_flag uses (\[.*?\])/.exec(golden.file.metadata.get("condition_flag") ?? "")?.[1];
      if (flag) tensors.eps_flag = net.forward(x, t, context, { conditionFlag: JSON.parse(flag) as boolean[] });
      cond.selfMaps.forEach((map, i) => {
        if (map) tensors[`self_logits/${i}`] = map;
      });
      cond.crossMaps.forEach((map, i) => {
        if (map) tensors[`cross_logits/${i}`] = map;
      });
      return tensors;
    });
    for (const [name, value] of Object.entries(all)) if (golden.has(name)) out[name] = await floats(value);
    return out;
  });
}

/** Unconditional rows first, then the rows that take their attention: one batch, as the sampler runs it. */
async function rowsForm(golden: Golden, cross: boolean): Promise<Float32Array> {
  return withNet(golden, async ({ net, x, t, context }) => {
    const B = t.length;
    const twice = (name: string, given: Tensor) => {
      const values = golden.values(name);
      return tensor(Float32Array.from([...values, ...values]), [2 * B, ...given.shape.slice(1)]);
    };
    const source = Array.from({ length: 2 * B }, (_, row) => row % B);
    const eps = noGrad(() =>
      net.forward(twice("x", x), [...t, ...t], twice("context", context), {
        conditionFlag: source.map((_, row) => row >= B),
        selfRows: source,
        ...(cross && { crossRows: source }),
      }),
    );
    const values = await floats(eps);
    return values.slice(values.length / 2);
  });
}

async function gradients(golden: Golden, target: Float32Array) {
  return withNet(golden, async ({ net, x, t, context }) => {
    x.requiresGrad("x");
    const loss = mse(net.forward(x, t, context), tensor(target, x.shape));
    backward(loss);
    const result = { loss: await floats(loss), grad_x: await floats(x.grad!), probes: await gradProbes(net) };
    x.grad!.dispose();
    x.dispose();
    return result;
  });
}

function unetCases(file: string): ParityCase[] {
  const golden = loadGolden(file);
  const all = once(() => outputs(golden));
  const names = golden.names(/^(eps_|attention_heatmap$|self_logits\/|cross_logits\/)/);
  const cases = names.map((name) =>
    against(golden, file, name, async () => {
      const got = (await all())[name];
      if (!got) throw new Error(`nothing computes ${name}`);
      return got;
    }),
  );
  for (const name of ["eps_injected_self", "eps_injected_self_cross"]) {
    if (!golden.has(name)) continue;
    const one = against(golden, file, name, () => rowsForm(golden, name.endsWith("cross")));
    cases.push({ ...one, case: `${name}, by rows` });
  }
  return cases;
}

/** `inputs`: the file that holds x, t and context. */
function gradientCases(file: string, inputs = file): ParityCase[] {
  const golden = loadGolden(file);
  const all = once(() => gradients(loadGolden(inputs), golden.values("target")));
  const cases = [against(golden, file, "loss", async () => (await all()).loss)];
  if (golden.has("grad_x")) cases.push(against(golden, file, "grad_x", async () => (await all()).grad_x));
  return [...cases, ...probeCases(golden, file, "grad_probe/", async () => (await all()).probes)];
}

parity("unet_small", async () => [...unetCases("unet_small"), ...gradientCases("unet_small")]);
parity("unet_full", async () => unetCases("unet_full"));
parity("unet_full_grads", async () => gradientCases("unet_full_grads", "unet_full"));
