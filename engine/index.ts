// The engine's public face.

export * from "./errors.js";
export { device, type Device, openDevice } from "./device.js";
export { random } from "./random.js";
export { keep, scope } from "./scope.js";
export { backward, noGrad } from "./tape.js";
export { empty, tensor, Tensor, zeros } from "./tensor.js";
