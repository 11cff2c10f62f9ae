// A GPU that takes every command and does nothing: for tests of what is allocated and bound, at sizes that no test could
// compute. The engine on top of it is the real one, so its pool counts exactly what it would on a real adapter.
//
//   vi.mock("../../engine/adapter.js", async () => (await import("../dry-device.js")).dryAdapters());
//   const dev = await openDevice({ kind: "lavapipe" });        "gpu": the tiled family

import { globals } from "webgpu";
import type { AdapterKind } from "../engine/adapter.js";

/** What stands in the place of engine/adapter.js. */
export function dryAdapters() {
  return {
    findAdapter: async ({ kind = "lavapipe" }: { kind?: AdapterKind } = {}) => {
      Object.assign(globalThis, globals);
      return { gpu: undefined, adapter: dryAdapter(kind), kind, attempts: [] };
    },
  };
}

/** WebGPU's default limits, but for the length of a buffer, and for bindings, which openDevice({ bindingBytes }) can lower. */
const limits = {
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 32,
  maxStorageBuffersPerShaderStage: 10,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeWorkgroupsPerDimension: 65_535,
  minUniformBufferOffsetAlignment: 256,
  minStorageBufferOffsetAlignment: 256,
};

function dryAdapter(kind: AdapterKind) {
  const lanes = kind === "swiftshader" ? 4 : 8;
  const features = new Set(kind === "gpu" ? [] : ["subgroups"]);
  const info = { subgroupMinSize: lanes, subgroupMaxSize: lanes, description: "dry" };
  return { limits, features, info, requestDevice: async () => dryDevice(features) };
}

function dryDevice(features: ReadonlySet<string>) {
  const pass = { setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {}, end() {} };
  const encoder = { beginComputePass: () => pass, copyBufferToBuffer() {}, clearBuffer() {}, finish: () => ({}) };
  return {
    limits,
    features,
    queue: { writeBuffer() {}, submit() {}, onSubmittedWorkDone: async () => {} },
    lost: new Promise(() => {}),
    addEventListener() {},
    destroy() {},
    createBuffer: dryBuffer,
    createShaderModule: () => ({ getCompilationInfo: async () => ({ messages: [] }) }),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createComputePipeline: () => ({}),
    createBindGroup: checkedGroup,
    createCommandEncoder: () => encoder,
    pushErrorScope() {},
    popErrorScope: async () => null,
  };
}

const dryBuffer = ({ size }: GPUBufferDescriptor) => ({
  size,
  destroy() {},
  unmap() {},
  mapAsync: async () => {},
  getMappedRange: () => new ArrayBuffer(size),
});

/** What WebGPU would refuse. */
function checkedGroup({ label, entries }: { label: string; entries: { resource: GPUBufferBinding }[] }) {
  for (const { resource } of entries) {
    const { buffer, offset = 0, size = 0 } = resource;
    if (offset % limits.minStorageBufferOffsetAlignment) throw new Error(`${label}: a binding begins at ${offset}.`);
    if (offset + size > buffer.size) throw new Error(`${label}: a binding ends at ${offset + size} of ${buffer.size}.`);
  }
  return {};
}
