// ONNX Runtime Web with its WebGPU provider: a graph for each task, weights in the file, inputs and outputs in GPU buffers.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writeOnnx } from "../../engine/io/onnx.js";
import { loadPeer, peersFolder } from "./borrowed-gpu.js";
import type { Engine, Job } from "./engine.js";
import { graphOf, smallestGraph, type TaskGraph } from "./onnx-graphs.js";

/** What is used of the package. */
interface Ort {
  env: { wasm: { numThreads: number; wasmPaths: string }; webgpu: { device: Promise<GPUDevice> }; logLevel: string };
  Tensor: { fromGpuBuffer(buffer: GPUBuffer, options: { dataType: "float32"; dims: readonly number[] }): OrtTensor };
  InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}
/** A tensor whose numbers are in a GPU buffer. */
interface OrtTensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}
/** A graph that was loaded and optimised. */
interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** Loads the build whose WebGPU provider is native code in WebAssembly. */
export async function open(): Promise<Engine> {
  const { module: ort, version } = await loadPeer<Ort>("onnxruntime-web", "dist/ort.webgpu.min.mjs");
  ort.env.wasm.numThreads = 1; // the GPU's part is what is measured, and its threads want the cores
  ort.env.wasm.wasmPaths = pathToFileURL(join(peersFolder(), "node_modules/onnxruntime-web/dist/")).href;
  ort.env.logLevel = "error";
  await sessionOf(ort, smallestGraph()); // stays: without a session it would drop its device, and take another one later
  const device = await ort.env.webgpu.device;
  return {
    name: "ONNX Runtime Web",
    version,
    prepare: async (task) => {
      const graph = graphOf(task);
      const session = await sessionOf(ort, graph);
      return job(ort, device, session, graph);
    },
    idle: () => device.queue.onSubmittedWorkDone(),
  };
}

/** Writes the graph, has it loaded, and takes the file away. */
async function sessionOf(ort: Ort, { graph, read }: TaskGraph): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), "peers-"));
  const path = join(folder, "task.onnx");
  try {
    await writeOnnx(path, graph, read);
    const options = { executionProviders: ["webgpu"], preferredOutputLocation: "gpu-buffer" };
    return await ort.InferenceSession.create(new Uint8Array(readFileSync(path)), options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Inputs are written once, before the first run. The result of a run lives until the next one. */
function job(ort: Ort, device: GPUDevice, session: Session, { inputs }: TaskGraph): Job {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const fed = inputs.map(({ name, dims, values }) => {
    const buffer = device.createBuffer({ size: values.byteLength, usage });
    device.queue.writeBuffer(buffer, 0, values);
    return { name, buffer, tensor: ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims }) };
  });
  const feeds = Object.fromEntries(fed.map(({ name, tensor }) => [name, tensor]));
  let last: OrtTensor | undefined;
  return {
    run: async () => {
      last?.dispose();
      [last] = Object.values(await session.run(feeds));
    },
    result: () => last!.getData(),
    drop: () => {
      last?.dispose();
      for (const { buffer } of fed) buffer.destroy();
      void session.release();
    },
  };
}
