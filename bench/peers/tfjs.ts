// TensorFlow.js with its WebGPU backend: tasks as its users write them, images NHWC, which is the layout of its kernels.

import { loadPeer } from "./borrowed-gpu.js";
import type { Engine, Job } from "./engine.js";
import { input, NotThere, oneHot, weight } from "./inputs.js";
import { IR_SIDE, irMaps, irStepParameters, SMALL_CLASSES, smallConvs, smallParameters } from "./nets.js";
import { type IrName, rates, type Task } from "./protocol.js";

/** What is used of a tensor of TensorFlow.js. */
interface Ten {
  readonly shape: number[];
  add(x: Ten): Ten;
  sub(x: Ten): Ten;
  mul(x: Ten | number): Ten;
  div(x: Ten): Ten;
  mean(axis: number | number[]): Ten;
  reshape(shape: number[]): Ten;
  transpose(axes: number[]): Ten;
  softmax(): Ten;
  relu(): Ten;
  sqrt(): Ten;
  dispose(): void;
  data(): Promise<Float32Array>;
}
/** Variables by the keys of the state dict. */
type Named = Record<string, Ten>;
/** What is used of its optimisers. */
interface Optimizer {
  minimize(loss: () => Ten, returnCost: true): Ten;
  applyGradients(gradients: Named): void;
  dispose(): void;
}

/** Commands are collected until somebody reads, or these are called. */
interface Backend {
  readonly commandEncoder: GPUCommandEncoder | null;
  readonly queue: GPUQueue;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** What is used of the package. */
interface Tf {
  setBackend(name: "webgpu"): Promise<boolean>;
  ready(): Promise<void>;
  backend(): Backend;
  tidy<T>(work: () => T): T;
  tensor(values: Float32Array, shape: number[]): Ten;
  scalar(value: number): Ten;
  variable(x: Ten, trainable: boolean, name: string): Ten;
  matMul(a: Ten, b: Ten, transposeA?: boolean, transposeB?: boolean): Ten;
  conv2d(x: Ten, w: Ten, stride: number, pad: number): Ten;
  maxPool(x: Ten, size: number, stride: number, pad: "valid"): Ten;
  prelu(x: Ten, slope: Ten): Ten;
  moments(x: Ten, axes: number[], keepDims?: boolean): { mean: Ten; variance: Ten };
  batchNorm(x: Ten, mean: Ten, variance: Ten, offset?: Ten, scale?: Ten, eps?: number): Ten;
  losses: { softmaxCrossEntropy(hot: Ten, logits: Ten): Ten };
  train: {
    adam(lr: number, beta1: number, beta2: number, eps: number): Optimizer;
    momentum(lr: number, momentum: number): Optimizer;
  };
}

/** Of every normalisation. */
const EPS = 1e-5;
/** NCHW -> NHWC, and back; OIHW -> HWIO. */
const LAST = [0, 2, 3, 1];
const FIRST = [0, 3, 1, 2];
const KERNEL = [2, 3, 1, 0];

export async function open(): Promise<Engine> {
  Object.assign(globalThis, { window: globalThis }); // its check for a browser
  const { module: tf, version } = await loadPeer<Tf>("@tensorflow/tfjs", "dist/tf.node.js");
  await loadPeer("@tensorflow/tfjs-backend-webgpu", "dist/tf-backend-webgpu.node.js"); // puts itself into tfjs
  if (!(await tf.setBackend("webgpu"))) throw new Error("setBackend('webgpu') says no");
  await tf.ready();
  const nets = new Nets(tf);
  const idle = async () => {
    const backend = tf.backend();
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  };
  return { name: "TensorFlow.js", version, prepare: async (task) => nets.job(task), idle };
}

/** The tasks over the loaded package. */
class Nets {
  constructor(private readonly tf: Tf) {}

  /**
   * Eager operations inside `tidy`, which is the only way TensorFlow.js has for the WebGPU backend.
   * Throws NotThere for nets that would have to be written anew (UNet, decoder, ArcFace).
   */
  job(task: Task): Job {
    const { tf } = this;
    switch (task.op) {
      case "matmul": {
        const square = [task.n, task.n];
        return this.op([this.given("a", square), this.given("b", square)], (a, b) => tf.matMul(a!, b!));
      }
      case "conv": {
        const { B, I, O, side } = task;
        const [x, w] = [this.image("x", [B, I, side, side]), this.kernel(input("w", [O, I, 3, 3]), [O, I, 3, 3])];
        return this.op([x, w], (x, w) => tf.conv2d(x!, w!, 1, 1));
      }
      case "attention": {
        const { heads, L, D } = task;
        const parts = ["q", "k", "v"].map((name) => this.given(name, [heads, L, D]));
        return this.op(parts, (q, k, v) =>
          tf.matMul(
            tf
              .matMul(q!, k!, false, true)
              .mul(D ** -0.5)
              .softmax(),
            v!,
          ),
        );
      }
      case "softmax":
        return this.op([this.given("x", [task.rows, task.cols])], (x) => x!.softmax());
      case "groupNorm":
        return this.groupNorm(task);
      case "adam":
        return this.adam(task.n);
      case "smallStep":
        return this.smallStep(task.B, task.side);
      case "irStep":
        if (task.head === "linear") return this.irStep(task.net, task.B, task.classes);
    }
    throw new NotThere(task, "TensorFlow.js");
  }

  /** An input as it is, for what is no image. */
  private given(name: string, shape: number[]): Ten {
    return this.tf.tensor(input(name, shape), shape);
  }

  /** An input of images, NHWC. */
  private image(name: string, shape: number[]): Ten {
    return this.tf.tidy(() => this.given(name, shape).transpose(LAST));
  }

  /** A filter from PyTorch's (outputs, inputs, height, width). */
  private kernel(values: Float32Array, shape: number[]): Ten {
    return this.tf.tidy(() => this.tf.tensor(values, shape).transpose(KERNEL));
  }

  /** A function of tensors that stay; results of four dimensions are images. */
  private op(inputs: readonly Ten[], work: (...inputs: Ten[]) => Ten): Job {
    let last: Ten | undefined;
    return {
      run: () => {
        last?.dispose();
        last = this.tf.tidy(() => work(...inputs));
      },
      result: () => (last!.shape.length === 4 ? this.tf.tidy(() => last!.transpose(FIRST)) : last!).data(),
      drop: () => {
        for (const x of [...inputs, ...(last ? [last] : [])]) x.dispose();
      },
    };
  }

  /** There is no such operation: moments over each group's channels and pixels, then batchNorm with them. */
  private groupNorm({ B, C, side, groups }: Extract<Task, { op: "groupNorm" }>): Job {
    const { tf } = this;
    const inputs = [this.image("x", [B, C, side, side]), this.given("w", [C]), this.given("b", [C])];
    return this.op(inputs, (x, w, b) => {
      const parts = x!.reshape([B, side * side, groups, C / groups]);
      const { mean, variance } = tf.moments(parts, [1, 3], true);
      const y = tf.batchNorm(parts, mean, variance, undefined, undefined, EPS);
      return y.reshape([B, side, side, C]).mul(w!).add(b!);
    });
  }

  /** The optimiser alone, given the gradient that stays. */
  private adam(n: number): Job {
    const { tf } = this;
    const w = tf.variable(this.given("w", [n]), true, "adam");
    const g = this.given("g", [n]);
    const optimizer = tf.train.adam(rates.adam, 0.9, 0.999, 1e-8);
    return {
      run: () => optimizer.applyGradients({ adam: g }),
      result: () => w.data(),
      drop: () => {
        for (const x of [w, g, optimizer]) x.dispose();
      },
    };
  }

  /**
   * Trainable copies of the weights, laid out as its own layers have them: kernels HWIO, matrices (inputs, outputs). In PyTorch's
   * layout its product of (4, 25088) and (512, 25088) transposed is wrong (4.22.0 on lavapipe; its CPU backend is right).
   */
  private variables(parameters: readonly [string, number[]][]): Named {
    const { tf } = this;
    const order = (rank: number) => (rank === 4 ? KERNEL : rank === 2 ? [1, 0] : [0]);
    const value = (key: string, shape: number[]) =>
      tf.tidy(() => tf.tensor(weight(key, shape), shape).transpose(order(shape.length)));
    return Object.fromEntries(parameters.map(([key, shape]) => [key, tf.variable(value(key, shape), true, key)]));
  }

  /** A step as `minimize` makes it. The loss is read, which also ends the step. */
  private training(variables: Named, batch: readonly [Ten, Ten], logits: (x: Ten) => Ten, optimizer: Optimizer): Job {
    const { tf } = this;
    const [x, hot] = batch;
    const losses: number[] = [];
    return {
      run: async () => {
        const l = tf.tidy(() => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(hot, logits(x)), true));
        if (losses.length < 2) losses.push((await l.data())[0]!);
        l.dispose();
      },
      result: async () => Float32Array.from(losses),
      drop: () => {
        for (const one of [...Object.values(variables), ...batch, optimizer]) one.dispose();
      },
    };
  }

  /** The same net as `smallConvs` says, NHWC. */
  private smallStep(B: number, side: number): Job {
    const { tf } = this;
    const p = this.variables(smallParameters());
    const batch = [this.image("image", [B, 3, side, side]), this.hot(B, SMALL_CLASSES)] as const;
    const logits = (x: Ten) => {
      let h = x;
      smallConvs.forEach(({ stride }, i) => {
        h = tf.conv2d(h, p[`conv${i}.weight`]!, stride, 1).add(p[`conv${i}.bias`]!).relu();
      });
      return tf.matMul(h.mean([1, 2]), p["head.weight"]!).add(p["head.bias"]!);
    };
    return this.training(p, batch, logits, tf.train.adam(rates.small, 0.9, 0.999, 1e-8));
  }

  /** Labels as rows of a one-hot matrix, which its loss wants. */
  private hot(B: number, classes: number): Ten {
    return this.tf.tensor(oneHot(B, classes), [B, classes]);
  }

  /** SGD with momentum. Running statistics of the normalisations are not kept: nothing in the step reads them. */
  private irStep(net: IrName, B: number, classes: number): Job {
    const { tf } = this;
    const p = this.variables(irStepParameters(net, classes));
    const batch = [this.image("image", [B, 3, IR_SIDE, IR_SIDE]), this.hot(B, classes)] as const;
    const logits = (x: Ten) => tf.matMul(this.irFeatures(net, p, x), p["head.weight"]!).add(p["head.bias"]!);
    return this.training(p, batch, logits, tf.train.momentum(rates.ir, rates.momentum));
  }

  /** The net in training mode: (B, 112, 112, 3) to (B, 512); the flat features in PyTorch's order. */
  private irFeatures(net: IrName, p: Named, x: Ten): Ten {
    const { tf } = this;
    const maps = irMaps<Ten>(
      net,
      {
        conv: (h, key, stride = 1, pad = 1) => tf.conv2d(h, p[`${key}.weight`]!, stride, pad),
        norm: (h, key) => {
          const { mean, variance } = tf.moments(h, [0, 1, 2]);
          return tf.batchNorm(h, mean, variance, p[`${key}.bias`], p[`${key}.weight`], EPS);
        },
        prelu: (h, key) => tf.prelu(h, p[`${key}.weight`]!),
        thinned: (h, stride) => (stride === 1 ? h : tf.maxPool(h, 1, stride, "valid")),
        add: (a, b) => a.add(b),
        again: (h) => h,
      },
      x,
    );
    const rows = maps.transpose(FIRST).reshape([maps.shape[0]!, -1]);
    const y = tf.matMul(rows, p["output_layer.3.weight"]!).add(p["output_layer.3.bias"]!);
    const { mean, variance } = tf.moments(y, [0]); // its batchNorm has no gradient without a scale
    return y.sub(mean).div(variance.add(tf.scalar(EPS)).sqrt());
  }
}
