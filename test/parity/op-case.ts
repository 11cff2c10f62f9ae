// One primitive operation against ops.safetensors: its inputs, a cotangent, its output and its gradients are in the file.

import { openDevice } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { type Golden, relativeError } from "../golden.js";
import type { ParityCase } from "./cases.js";
import { precision } from "./nets.js";

/** Whole numbers become u32 tensors without a gradient, everything else f32 leaves. */
function inputsOf(golden: Golden, name: string): Record<string, Tensor> {
  const prefix = `${name}/in/`;
  const keys = golden.names(/\/in\//).filter((key) => key.startsWith(prefix));
  return Object.fromEntries(
    keys.map((key) => {
      const whole = golden.read(key).data instanceof BigInt64Array;
      const x = tensor(golden.values(key), golden.shape(key), whole ? "u32" : "f32");
      return [key.slice(prefix.length), whole ? x : x.requiresGrad(key)];
    }),
  );
}

/** The larger of the errors of the output and of every gradient that the file has. */
export function opCase(golden: Golden, name: string, op: (x: Record<string, Tensor>) => Tensor): ParityCase {
  const run = async (): Promise<number> => {
    const device = await openDevice({ precision });
    try {
      return await scope(async () => {
        const inputs = inputsOf(golden, name);
        const y = op(inputs);
        const errors = [relativeError(await y.read(), golden.values(`${name}/out`))];
        const cotangent = `${name}/cotangent`;
        backward(y, tensor(golden.values(cotangent), golden.shape(cotangent)));
        for (const [key, x] of Object.entries(inputs)) {
          if (!golden.has(`${name}/grad/${key}`)) continue;
          if (!x.grad) throw new Error(`no gradient reached ${key}`);
          errors.push(relativeError(await x.grad.read(), golden.values(`${name}/grad/${key}`)));
        }
        return Math.max(...errors);
      });
    } finally {
      device.close();
    }
  };
  return { file: "ops", case: name, allowed: 1e-5, run };
}
