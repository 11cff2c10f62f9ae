// Times every kernel with GPU timestamps, one pass a dispatch.

const CAPACITY = 2048; // timestamp pairs between two submits; the queue submits every 64 dispatches

export class Profiler {
  private readonly queries: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private labels: string[] = [];
  private readonly batches: { labels: string[]; buffer: GPUBuffer }[] = [];

  constructor(private readonly device: GPUDevice) {
    this.queries = device.createQuerySet({ type: "timestamp", count: 2 * CAPACITY });
    this.resolved = device.createBuffer({
      size: 16 * CAPACITY,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** The timestamp writes of the next dispatch. */
  begin(label: string): GPUComputePassTimestampWrites {
    const i = this.labels.push(label) - 1;
    return { querySet: this.queries, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  /** Appends the reading of this batch's timestamps to its commands; called by the queue before each submit. */
  resolve(encoder: GPUCommandEncoder): void {
    const count = this.labels.length;
    if (!count) return;
    const buffer = this.device.createBuffer({
      size: 16 * count,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    encoder.resolveQuerySet(this.queries, 0, 2 * count, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, buffer, 0, 16 * count);
    this.batches.push({ labels: this.labels, buffer });
    this.labels = [];
  }

  /** Every dispatch in order, with its GPU time; call after the queue is idle. */
  async timeline(): Promise<{ kernel: string; ms: number }[]> {
    const rows: { kernel: string; ms: number }[] = [];
    for (const { labels, buffer } of this.batches.splice(0)) {
      await buffer.mapAsync(GPUMapMode.READ);
      const times = new BigInt64Array(buffer.getMappedRange());
      labels.forEach((kernel, i) => {
        rows.push({ kernel, ms: Number(times[2 * i + 1]! - times[2 * i]!) / 1e6 });
      });
      buffer.destroy();
    }
    return rows;
  }

  destroy(): void {
    this.queries.destroy();
    this.resolved.destroy();
  }
}
