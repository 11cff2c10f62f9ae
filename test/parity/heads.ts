// The margin heads against the authors' ones: logits, loss, gradients, and the numbers that follow the batches.

import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { AdaFace, ArcFace, CosFace, CurricularFace, type Head } from "../../models/heads.js";
import { type Golden, loadGolden } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";
import { against, ensureDevice, floats, integers, once } from "./nets.js";

const file = "fr_heads";

function headOf(golden: Golden, name: string, size: number, classes: number): Head {
  const options = { margin: golden.json<Record<string, number>>("margins")[name]!, scale: golden.number("scale") };
  if (name === "arcface") return new ArcFace(size, classes, options);
  if (name === "cosface") return new CosFace(size, classes, options);
  if (name === "curricularface") return new CurricularFace(size, classes, options);
  if (name !== "adaface") throw new Error(`There is no head ${name}.`);
  const { h, t_alpha } = golden.json<{ h: number; t_alpha: number }>(name);
  return new AdaFace(size, classes, { ...options, h, tAlpha: t_alpha });
}

/** One training call from the head's first state. */
async function step(golden: Golden, name: string): Promise<Record<string, Float32Array>> {
  await ensureDevice();
  const [size, classes] = golden.shape(`${name}/kernel`) as [number, number];
  const head = headOf(golden, name, size, classes).init(0);
  head.kernel.write(golden.values(`${name}/kernel`));
  const labels = integers(golden, "labels");
  return scope(async () => {
    const features = tensor(golden.values(`${name}/input`), golden.shape(`${name}/input`)).requiresGrad("features");
    const logits = head.forward(features, labels);
    const loss = crossEntropy(logits, tensor(Uint32Array.from(labels), [labels.length], "u32"));
    backward(loss);
    const got = {
      logits: await floats(logits),
      loss: await floats(loss),
      grad_embedding: await floats(features.grad!),
      grad_kernel: await floats(head.kernel.value.grad!),
      ...(head instanceof CurricularFace && { t_after: await floats(head.t.value) }),
      ...(head instanceof AdaFace && {
        batch_mean: await floats(head.batch_mean.value),
        batch_std: await floats(head.batch_std.value),
      }),
    };
    features.grad!.dispose();
    features.dispose();
    head.dispose();
    return got;
  });
}

parity(file, async () => {
  const golden = loadGolden(file);
  const heads = golden.names(/\/logits$/).map((name) => name.split("/")[0]!);
  return heads.flatMap((head): ParityCase[] => {
    const got = once(() => step(golden, head));
    const wanted = golden.names(new RegExp(`^${head}/(?!input$|kernel$)`));
    return wanted.map((name) =>
      against(
        golden,
        file,
        name,
        async () => {
          const value = (await got())[name.slice(head.length + 1)];
          if (!value) throw new Error(`nothing computes ${name}`);
          return value;
        },
        1e-5,
      ),
    );
  });
});
