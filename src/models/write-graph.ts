import { open, type FileHandle } from 'node:fs/promises';
import { RunnerError } from '../errors.js';
import type { GraphPart } from './cut-graph.js';
import { field, fieldStart } from './protobuf-bytes.js';
import type { Span } from './protobuf.js';

const BUFFER_BYTES = 4 * 1024 ** 2;
/** Of a `ModelProto`. */
const GRAPH_FIELD = 7;

/**
 * Writes a part of an ONNX file as a file of its own, by copying bytes: gigabytes of weights pass through one small
 * buffer, and the main thread stays free between the pieces. `target` must not exist.
 * @throws RunnerError `RUNNER_STOPPED` when `signal` is aborted; system errors as they come
 */
export async function writeGraphPart(
  source: string,
  part: GraphPart,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const from = await open(source, 'r');
  try {
    const to = await open(target, 'wx');
    try {
      const copier = new Copier(from, to, signal);
      for (const span of merged(part.beside)) await copier.copy(span);
      const length = part.graph.reduce((sum, { start, end }) => sum + end - start, 0);
      await copier.write(fieldStart(GRAPH_FIELD, length));
      for (const span of merged(part.graph)) await copier.copy(span);
      await copier.flush();
      // Else a power cut could leave an empty file under the final name.
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** The bytes of a file of which all is in memory: fields beside the graph, and fields of the graph. */
export function encodeGraph(beside: readonly Buffer[], graph: readonly Buffer[]): Buffer {
  return Buffer.concat([...beside, field(GRAPH_FIELD, Buffer.concat(graph))]);
}

/** Collects many small pieces into few writes. */
class Copier {
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #filled = 0;

  constructor(
    readonly from: FileHandle,
    readonly to: FileHandle,
    readonly signal: AbortSignal | undefined,
  ) {}

  async copy({ start, end }: Span): Promise<void> {
    for (let offset = start; offset < end;) {
      if (this.#filled === BUFFER_BYTES) await this.flush();
      const length = Math.min(end - offset, BUFFER_BYTES - this.#filled);
      const { bytesRead } = await this.from.read(this.#buffer, this.#filled, length, offset);
      if (bytesRead === 0) throw new RunnerError('MODEL_INVALID', 'The model file became shorter while it was read.');
      offset += bytesRead;
      this.#filled += bytesRead;
    }
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#filled + bytes.length > BUFFER_BYTES) await this.flush();
    bytes.copy(this.#buffer, this.#filled);
    this.#filled += bytes.length;
  }

  async flush(): Promise<void> {
    if (this.signal?.aborted === true) throw new RunnerError('RUNNER_STOPPED', 'Stopped while a model was cut.');
    for (let done = 0; done < this.#filled;)
      done += (await this.to.write(this.#buffer, done, this.#filled - done)).bytesWritten;
    this.#filled = 0;
  }
}

/** Neighbouring parts in one. */
function merged(spans: readonly Span[]): readonly Span[] {
  const joined: Span[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last?.end === span.start) joined[joined.length - 1] = { start: last.start, end: span.end };
    else joined.push(span);
  }
  return joined;
}
