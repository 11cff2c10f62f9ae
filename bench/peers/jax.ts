// jax-js: every task is one jitted function, as its README has it. An array that is passed is given away; `.ref` keeps it.

import { loadPeer } from "./borrowed-gpu.js";
import type { Engine, Job } from "./engine.js";
import { input, NotThere, oneHot, weight } from "./inputs.js";
import { IR_SIDE, irMaps, irStepParameters, SMALL_CLASSES, smallConvs, smallParameters } from "./nets.js";
import { type IrName, rates, type Task } from "./protocol.js";

/** What is used of an array of jax-js. */
interface Arr {
  readonly ref: Arr;
  readonly shape: number[];
  add(x: Arr | number): Arr;
  sub(x: Arr | number): Arr;
  mul(x: Arr | number): Arr;
  div(x: Arr | number): Arr;
  mean(axis?: number | number[] | null, options?: { keepdims?: boolean }): Arr;
  sum(axis?: number | number[] | null): Arr;
  reshape(shape: number[]): Arr;
  transpose(axes?: number[]): Arr;
  slice(...parts: (number | [] | [number, number])[]): Arr;
  data(): Promise<Float32Array>;
  dispose(): void;
}
/** Parameters, gradients or moments by the keys of the state dict. */
type Tree = Record<string, Arr>;
type Fn<A extends unknown[], R> = (...args: A) => R;

/** What is used of the package. */
interface Jax {
  init(device: "webgpu"): Promise<string[]>;
  defaultDevice(device: "webgpu"): void;
  getWebGPUDevice(): GPUDevice;
  blockUntilReady(tree: unknown): Promise<unknown>;
  jit<A extends unknown[], R>(f: Fn<A, R>): Fn<A, R> & { dispose(): void };
  valueAndGrad(f: (p: Tree, ...rest: Arr[]) => Arr): (p: Tree, ...rest: Arr[]) => [Arr, Tree];
  numpy: {
    array(values: Float32Array): Arr;
    matmul(a: Arr, b: Arr): Arr;
    maximum(a: Arr, b: Arr | number): Arr;
    minimum(a: Arr, b: Arr | number): Arr;
    sqrt(x: Arr): Arr;
    square(x: Arr): Arr;
  };
  lax: { conv(x: Arr, w: Arr, strides: number[], padding: number[][]): Arr };
  nn: { softmax(x: Arr, axis: number): Arr; logSoftmax(x: Arr, axis: number): Arr; relu(x: Arr): Arr };
}

/** Of every normalisation. */
const EPS = 1e-5;
/** So many pixels on each of the four sides. */
const sides = (pad: number): number[][] => [
  [pad, pad],
  [pad, pad],
];
const PAD = sides(1);

export async function open(): Promise<Engine> {
  const { module: jax, version } = await loadPeer<Jax>("@jax-js/jax", "dist/index.cjs");
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const { queue } = jax.getWebGPUDevice();
  const nets = new Nets(jax);
  return {
    name: "jax-js",
    version,
    prepare: async (task) => nets.job(task),
    idle: async () => {
      await nets.asked();
      await queue.onSubmittedWorkDone();
    },
  };
}

/** The tasks over one loaded package. */
class Nets {
  /** Results that were asked for: an array is computed when somebody waits for it. */
  private waits: Promise<unknown>[] = [];

  constructor(private readonly jax: Jax) {}

  /** Waits until all that was asked for is computed. */
  async asked(): Promise<void> {
    await Promise.all(this.waits);
    this.waits = [];
  }

  /**
   * Each case is a function that its users would write, jitted as a whole: that is where jax-js is fast.
   * Throws NotThere for nets that would have to be written anew (UNet, decoder, ArcFace).
   */
  job(task: Task): Job {
    const { numpy: np, lax, nn } = this.jax;
    switch (task.op) {
      case "matmul":
        return this.op([this.given("a", [task.n, task.n]), this.given("b", [task.n, task.n])], (a, b) =>
          np.matmul(a!, b!),
        );
      case "conv": {
        const { B, I, O, side } = task;
        return this.op([this.given("x", [B, I, side, side]), this.given("w", [O, I, 3, 3])], (x, w) =>
          lax.conv(x!, w!, [1, 1], PAD),
        );
      }
      case "attention": {
        const { heads, L, D } = task;
        const parts = ["q", "k", "v"].map((name) => this.given(name, [heads, L, D]));
        return this.op(parts, (q, k, v) => {
          const logits = np.matmul(q!, k!.transpose([0, 2, 1])).mul(D ** -0.5);
          return np.matmul(nn.softmax(logits, -1), v!);
        });
      }
      case "softmax":
        return this.op([this.given("x", [task.rows, task.cols])], (x) => nn.softmax(x!, -1));
      case "groupNorm": {
        const { B, C, side, groups } = task;
        const inputs = [this.given("x", [B, C, side, side]), this.given("w", [C]), this.given("b", [C])];
        return this.op(inputs, (x, w, b) => {
          const y = this.normalised(x!.reshape([B, groups, (C / groups) * side ** 2]), 2).reshape([B, C, side, side]);
          return y.mul(w!.reshape([C, 1, 1])).add(b!.reshape([C, 1, 1]));
        });
      }
      case "adam":
        return this.adamJob(task.n);
      case "smallStep":
        return this.smallStep(task.B, task.side);
      case "irStep":
        if (task.head === "linear") return this.irStep(task.net, task.B, task.classes);
    }
    throw new NotThere(task, "jax-js");
  }

  /** Has arrays computed, and holds them until they are. */
  private ask(arrays: readonly Arr[]): void {
    const held = arrays.map((a) => a.ref);
    const release = () => {
      for (const a of held) a.dispose();
    };
    this.waits.push(this.jax.blockUntilReady(held).finally(release));
  }

  /** An input in the shape it has in PyTorch: the layout of its kernels is NCHW too. */
  private given(name: string, shape: number[]): Arr {
    return this.jax.numpy.array(input(name, shape)).reshape(shape);
  }

  /** A pure function of arrays that stay. */
  private op(inputs: readonly Arr[], work: (...inputs: Arr[]) => Arr): Job {
    const compiled = this.jax.jit(work);
    let last: Arr | undefined;
    return {
      run: () => {
        last?.dispose();
        last = compiled(...inputs.map((x) => x.ref));
        this.ask([last]);
      },
      result: () => last!.ref.data(),
      drop: () => {
        for (const x of [...inputs, ...(last ? [last] : []), compiled]) x.dispose();
      },
    };
  }

  /** (x - mean) / sqrt(var + eps) over some dimensions. */
  private normalised(x: Arr, axis: number | number[]): Arr {
    const { numpy: np } = this.jax;
    const centred = x.ref.sub(x.mean(axis, { keepdims: true }));
    const variance = np.square(centred.ref).mean(axis, { keepdims: true });
    return centred.div(np.sqrt(variance.add(EPS)));
  }

  /** One update of one tensor: [w, m, v]. */
  private adam([w, m, v, g]: readonly [Arr, Arr, Arr, Arr], rate: Arr, root: Arr): [Arr, Arr, Arr] {
    const { numpy: np } = this.jax;
    const m1 = m.mul(0.9).add(g.ref.mul(0.1));
    const v1 = v.mul(0.999).add(np.square(g).mul(0.001));
    const moved = m1.ref.mul(rate).div(np.sqrt(v1.ref).mul(root).add(1e-8));
    return [w.sub(moved), m1, v1];
  }

  /** lr / (1 - 0.9^t) and 1 / sqrt(1 - 0.999^t), as arrays: numbers would be compiled in. */
  private factors(t: number, lr: number): [Arr, Arr] {
    const scalar = (x: number) => this.jax.numpy.array(Float32Array.of(x)).reshape([]);
    return [scalar(lr / (1 - 0.9 ** t)), scalar(1 / Math.sqrt(1 - 0.999 ** t))];
  }

  /** The optimiser alone, on one array; its three arrays are given away and come back new each time. */
  private adamJob(n: number): Job {
    const g = this.given("g", [n]);
    let state: Arr[] = [this.given("w", [n]), this.zeros([n]), this.zeros([n])];
    const step = this.jax.jit((w: Arr, m: Arr, v: Arr, g: Arr, rate: Arr, root: Arr) =>
      this.adam([w, m, v, g], rate, root),
    );
    let t = 0;
    return {
      run: () => {
        t++;
        const [w, m, v] = state as [Arr, Arr, Arr];
        state = step(w, m, v, g.ref, ...this.factors(t, rates.adam));
        this.ask(state);
      },
      result: () => state[0]!.ref.data(),
      drop: () => {
        for (const x of [...state, g, step]) x.dispose();
      },
    };
  }

  private zeros(shape: number[]): Arr {
    return this.jax.numpy.array(new Float32Array(shape.reduce((a, b) => a * b, 1))).reshape(shape);
  }

  /** -mean of log softmax at the labels. */
  private crossEntropy(logits: Arr, hot: Arr): Arr {
    const [B] = logits.shape as [number];
    return this.jax.nn
      .logSoftmax(logits, -1)
      .mul(hot)
      .sum()
      .mul(-1 / B);
  }

  /** Adam over every parameter by itself, in the same jitted function as the gradient. */
  private smallStep(B: number, side: number): Job {
    const { lax, nn, numpy: np } = this.jax;
    const loss = (p: Tree, x: Arr, hot: Arr): Arr => {
      let h = x;
      smallConvs.forEach(({ outputs, stride }, i) => {
        const bias = p[`conv${i}.bias`]!.reshape([1, outputs, 1, 1]);
        h = nn.relu(lax.conv(h, p[`conv${i}.weight`]!, [stride, stride], PAD).add(bias));
      });
      const logits = np.matmul(h.mean([2, 3]), p["head.weight"]!.transpose([1, 0])).add(p["head.bias"]!);
      return this.crossEntropy(logits, hot);
    };
    const batch = [this.given("image", [B, 3, side, side]), this.hot(B, SMALL_CLASSES)] as const;
    return this.training(smallParameters(), batch, loss, (p, g, m, v, [rate, root]) => {
      const updated = Object.keys(p).map((k) => this.adam([p[k]!, m[k]!, v[k]!, g[k]!], rate.ref, root.ref));
      rate.dispose();
      root.dispose();
      const tree = (n: 0 | 1 | 2) => Object.fromEntries(Object.keys(p).map((k, i) => [k, updated[i]![n]]));
      return [tree(0), tree(1), tree(2)];
    });
  }

  /** Labels as rows of a one-hot matrix: it has no gather that differentiates. */
  private hot(B: number, classes: number): Arr {
    return this.jax.numpy.array(oneHot(B, classes)).reshape([B, classes]);
  }

  /** Steps of an optimiser whose state is two trees of the parameters' shapes. */
  private training(
    parameters: readonly [string, number[]][],
    [x, hot]: readonly [Arr, Arr],
    loss: (p: Tree, x: Arr, hot: Arr) => Arr,
    update: (p: Tree, g: Tree, m: Tree, v: Tree, factors: [Arr, Arr]) => [Tree, Tree, Tree],
  ): Job {
    const { jax } = this;
    const tree = (make: (key: string, shape: number[]) => Arr): Tree =>
      Object.fromEntries(parameters.map(([key, shape]) => [key, make(key, shape)]));
    let state: [Tree, Tree, Tree] = [
      tree((key, shape) => jax.numpy.array(weight(key, shape)).reshape(shape)),
      tree((_, shape) => this.zeros(shape)),
      tree((_, shape) => this.zeros(shape)),
    ];
    const step = jax.jit(
      (p: Tree, m: Tree, v: Tree, x: Arr, hot: Arr, rate: Arr, root: Arr): [Arr, Tree, Tree, Tree] => {
        const [l, g] = jax.valueAndGrad(loss)(refs(p), x, hot);
        return [l, ...update(p, g, m, v, [rate, root])];
      },
    );
    const losses: number[] = [];
    let t = 0;
    return {
      run: async () => {
        t++;
        const [l, ...next] = step(...state, x.ref, hot.ref, ...this.factors(t, rates.small));
        state = next;
        const [value] = await l.data();
        if (losses.length < 2) losses.push(value!);
      },
      result: async () => Float32Array.from(losses),
      drop: () => {
        for (const a of [...state.flatMap((tree) => Object.values(tree)), x, hot, step]) a.dispose();
      },
    };
  }

  /** SGD with momentum. Running statistics of the normalisations are not kept: nothing in the step reads them. */
  private irStep(net: IrName, B: number, classes: number): Job {
    const batch = [this.given("image", [B, 3, IR_SIDE, IR_SIDE]), this.hot(B, classes)] as const;
    const loss = (p: Tree, x: Arr, hot: Arr): Arr => {
      const features = this.irFeatures(net, p, x);
      const logits = this.jax.numpy.matmul(features, p["head.weight"]!.transpose([1, 0])).add(p["head.bias"]!);
      return this.crossEntropy(logits, hot);
    };
    // v stays: SGD has one moment.
    return this.training(irStepParameters(net, classes), batch, loss, (p, g, m, v, factors) => {
      for (const factor of factors) factor.dispose();
      const m1 = Object.fromEntries(Object.keys(p).map((k) => [k, m[k]!.mul(rates.momentum).add(g[k]!)]));
      const p1 = Object.fromEntries(Object.keys(p).map((k) => [k, p[k]!.sub(m1[k]!.ref.mul(rates.ir))]));
      return [p1, m1, v];
    });
  }

  /** The net in training mode: (B, 3, 112, 112) to (B, 512). */
  private irFeatures(net: IrName, p: Tree, x: Arr): Arr {
    const { lax, numpy: np } = this.jax;
    const channels = (key: string) => p[key]!.reshape([1, p[key]!.shape[0]!, 1, 1]);
    const maps = irMaps<Arr>(
      net,
      {
        conv: (h, key, stride = 1, pad = 1) => lax.conv(h, p[`${key}.weight`]!, [stride, stride], sides(pad)),
        norm: (h, key) =>
          this.normalised(h, [0, 2, 3])
            .mul(channels(`${key}.weight`))
            .add(channels(`${key}.bias`)),
        prelu: (h, key) => np.maximum(h.ref, 0).add(np.minimum(h, 0).mul(channels(`${key}.weight`))),
        thinned: everyOther,
        add: (a, b) => a.add(b),
        again: (h) => h.ref,
      },
      x,
    );
    const rows = maps.reshape([maps.shape[0]!, -1]);
    const features = np.matmul(rows, p["output_layer.3.weight"]!.transpose([1, 0])).add(p["output_layer.3.bias"]!);
    return this.normalised(features, 0);
  }
}

/** A second owner for every leaf. */
const refs = (tree: Tree): Tree => Object.fromEntries(Object.entries(tree).map(([key, a]) => [key, a.ref]));

/** Every second pixel, for a stride of 2. */
function everyOther(x: Arr, stride: number): Arr {
  if (stride === 1) return x;
  const [B, C, H, W] = x.shape as [number, number, number, number];
  return x.reshape([B, C, H / 2, 2, W / 2, 2]).slice([], [], [], 0, [], 0);
}
