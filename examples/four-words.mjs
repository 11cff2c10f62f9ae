// The engine in a few lines: build once with `node setup.mjs build`, then `node examples/four-words.mjs`.

import { openDevice, randn, random, scope, tensor } from "uiface-webgpu/engine";

const device = await openDevice();
const w = randn([3, 2], random(0, "w")).requiresGrad("w");
const x = tensor([[1, 2, 3]]);
scope(() => x.matmul(w).softmax().log().mean().backward());
console.log(await w.grad.read());
device.close();
