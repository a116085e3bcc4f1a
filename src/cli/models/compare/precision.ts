import { stat } from 'node:fs/promises';
import path from 'node:path';
import { RunnerError } from '../../../errors.js';
import type { Device, Dtype, ModelName } from '../../../model.js';
import { readExternalLocations } from '../../../models/external-data.js';
import { readOnnxGraph } from '../../../models/onnx-graph.js';
import { resolveClipModel } from '../../../models/resolve.js';
import { weightGroups, type WeightGroup } from '../../../models/weight-inventory.js';
import type { RunnerOptions } from '../../../options.js';
import { createRunner, type Runner } from '../../../runner.js';
import { peakBytes } from '../../peak-memory.js';

export type ClipSide = 'vision' | 'text';
export type Input = string | Uint8Array;

/** One side of a model in one precision. */
export interface PrecisionName {
  readonly model: ModelName;
  readonly side: ClipSide;
  readonly dtype: Dtype;
}

/** What the files of a precision say without being loaded. */
export interface GraphFacts {
  /** The graph and the files with its weights. */
  readonly fileBytes: number;
  readonly weights: readonly WeightGroup[];
}

const STOP_MS = 4000;

/** @throws RunnerError `MODEL_*` */
export async function readGraphFacts(
  { model, side, dtype }: PrecisionName,
  { hub }: RunnerOptions,
): Promise<GraphFacts> {
  const wanted = { wantVision: side === 'vision', wantText: side === 'text' };
  const { visionFile, textFile } = await resolveClipModel(model, { ...hub, offline: true, dtype, ...wanted });
  const file = side === 'vision' ? visionFile : textFile;
  if (file === undefined) throw new RunnerError('MODEL_NOT_FOUND', `The model has no ${side} graph in ${dtype}.`);
  const files = [file, ...readExternalLocations(file).map((name) => path.join(path.dirname(file), name))];
  const sizes = await Promise.all(files.map(async (one) => (await stat(one)).size));
  return { fileBytes: sizes.reduce((sum, size) => sum + size, 0), weights: weightGroups(readOnnxGraph(file)) };
}

/**
 * One side of a model, loaded as `photos` and `serve` load it: in the threads of a child process, from prepared graphs, and fed
 * through the same decoder, preprocessing and batches.
 */
export class Precision {
  readonly #runner: Runner;
  readonly #side: ClipSide;
  #pid = 0;
  #loadedBytes = 0;
  #threads = 1;
  #isReady = false;
  #device: Device = 'cpu';
  #maxBatch = 1;
  /** What the runs since the last look have taken. */
  #runs = { ms: 0, inputs: 0 };

  private constructor({ model, side, dtype }: PrecisionName, options: RunnerOptions) {
    this.#side = side;
    this.#runner = createRunner({
      ...options,
      ...{ models: [model], tasks: [side === 'vision' ? 'clip' : 'text'], dtype, isolation: 'process' },
      hub: { ...options.hub, offline: true },
    });
    this.#runner.on('child:started', ({ pid, rssBytes }) => {
      this.#pid = pid;
      this.#loadedBytes = rssBytes;
    });
    this.#runner.on('model:ready', ({ device, maxBatch }) => {
      this.#device = device;
      this.#maxBatch = maxBatch;
    });
    this.#runner.on('runner:ready', ({ threads }) => (this.#threads = threads));
    this.#runner.on('stage:measured', ({ stage, ms, count }) => {
      if (stage === 'run') this.#runs = { ms: this.#runs.ms + ms, inputs: this.#runs.inputs + count };
    });
  }

  /** @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE` */
  static async open(name: PrecisionName, options: RunnerOptions): Promise<Precision> {
    const precision = new Precision(name, options);
    try {
      await precision.#runner.start();
      precision.#isReady = true;
      return precision;
    } finally {
      if (!precision.#isReady) await precision.close();
    }
  }

  /** The device that its session truly runs on. */
  get device(): Device {
    return this.#device;
  }

  /** Inputs of a run. */
  get batch(): number {
    return this.#maxBatch;
  }

  get threads(): number {
    return this.#threads;
  }

  /** A unit vector per input, or why there is none. */
  embed(inputs: readonly Input[]): Promise<readonly (Float32Array | RunnerError)[]> {
    return this.#side === 'vision'
      ? this.#runner.embedImages(inputs, { onError: 'return' })
      : this.#runner.embedTexts(inputs as readonly string[], { onError: 'return' });
  }

  /** Runs a whole batch of every thread, the inputs over and over, and answers the milliseconds that the model took of each. */
  async time(inputs: readonly Input[]): Promise<number> {
    const count = this.#maxBatch * this.#threads;
    this.#runs = { ms: 0, inputs: 0 };
    await this.embed(Array.from({ length: count }, (_, place) => inputs[place % inputs.length] ?? ''));
    return this.#runs.ms / this.#runs.inputs;
  }

  /** Memory of the process with the model at its highest, or after loading where the system doesn't tell. */
  async memoryBytes(): Promise<number> {
    return (await peakBytes(this.#pid)) ?? this.#loadedBytes;
  }

  close(): Promise<void> {
    return this.#runner.stop({ deadlineMs: STOP_MS });
  }
}
