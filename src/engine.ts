import { stat } from 'node:fs/promises';
import { DirectCalls, type ImageInput } from './direct.js';
import { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import { Lane } from './lane.js';
import { untilAborted } from './lifecycle.js';
import type { ClipModel } from './model.js';
import { resolveClipModel } from './models/resolve.js';
import type { ResolvedOptions } from './options.js';
import { ThreadPool } from './pool/pool.js';
import type { ThreadUnit, WorkerSettings } from './pool/protocol.js';
import type { TaskTable } from './task-table.js';

export interface EngineHooks {
  readonly emit: Emit;
  /** Every thread hangs in a batch that is overdue: nothing more can be done here. */
  readonly onStuck: (error: RunnerError) => void;
  /** Ends `open()` early. */
  readonly signal: AbortSignal;
}

/** Models, threads and batches: the part of a runner that needs no queue. */
export class Engine {
  readonly lane: Lane;
  /** What one picture's tensors take, all models together. */
  readonly itemBytes: number;
  readonly #models: readonly ClipModel[];
  readonly #direct: DirectCalls;

  private constructor(lane: Lane, models: readonly ClipModel[], maxDirect: number) {
    this.lane = lane;
    this.#models = models;
    this.#direct = new DirectCalls(lane, maxDirect);
    this.itemBytes = models.reduce((sum, model) => sum + tensorBytes(model), 0);
  }

  /**
   * Finds or downloads the models, and loads and tests them in every thread.
   * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`
   */
  static async open(
    options: ResolvedOptions,
    tasks: TaskTable,
    { emit, onStuck, signal }: EngineHooks,
  ): Promise<Engine> {
    await checkRoots(options.roots);
    const models = tasks.has('clip') ? await resolveModels(options, emit, signal) : [];
    const { threads, intraOpThreads, loadTimeoutMs, batchTimeoutMs } = options;
    const settings = workerSettings(options, tasks, models);
    const pool = new ThreadPool({ threads, settings, loadTimeoutMs, batchTimeoutMs });
    pool.whenStuck(onStuck);
    try {
      const report = await untilAborted(pool.load(), signal);
      checkDimensions(report.units, options.embeddingDim);
      tasks.setUnits(report.units);
      for (const { task, label, device, maxBatch, dimension } of report.units) {
        emit('model:ready', { task, label, device, maxBatch, dimension });
      }
      emit('runner:ready', { threads, intraOpThreads, loadMs: report.loadMs });
    } catch (thrown) {
      // Not awaited: a thread that hangs in its model would keep us.
      void pool.close();
      throw thrown;
    }
    return new Engine(new Lane('image', pool, options, emit), models, options.maxDirect);
  }

  /** One vector or `RunnerError` per picture, in order. @throws RunnerError `OPTIONS_INVALID` for an unknown label. */
  async embedImages(
    inputs: readonly ImageInput[],
    label: string | undefined,
  ): Promise<readonly (Float32Array | RunnerError)[]> {
    const model = label === undefined ? this.#models[0] : this.#models.find((candidate) => candidate.label === label);
    if (model === undefined) {
      const known = this.#models.map((candidate) => candidate.label).join(', ');
      throw new RunnerError(
        'OPTIONS_INVALID',
        `There is no model "${label ?? ''}". The labels are: ${known || 'none'}.`,
      );
    }
    const values = await this.#direct.images(inputs, `clip/${model.label}`, tensorBytes(model));
    return values as readonly (Float32Array | RunnerError)[];
  }

  /** Resolves when no direct call waits any more. */
  whenIdle(): Promise<void> {
    return this.#direct.whenIdle();
  }

  close(): Promise<void> {
    return this.lane.close();
  }
}

/** Without its folder (a mount that is missing, say) every job would end as a dead letter. */
async function checkRoots(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    const facts = await stat(root).catch(() => undefined);
    if (facts?.isDirectory() === true) continue;
    const hint = 'Create or mount it, or name another one (roots, PROJECT_ROOT, UPLOAD_BASE_DIR).';
    throw new RunnerError('OPTIONS_INVALID', `Expected a folder of photos at ${root}, but there is none. ${hint}`);
  }
}

async function resolveModels(options: ResolvedOptions, emit: Emit, signal: AbortSignal): Promise<readonly ClipModel[]> {
  const { models, dtype, hub } = options;
  const resolved: ClipModel[] = [];
  for (const model of models) {
    const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
      emit('model:progress', { label: model.label, ...progress });
    resolved.push(await resolveClipModel(model, { ...hub, dtype, signal, onProgress }));
  }
  return resolved;
}

function workerSettings(options: ResolvedOptions, tasks: TaskTable, clipModels: readonly ClipModel[]): WorkerSettings {
  const { maxBatch, device, strictDevice, intraOpThreads } = options;
  const { orientation, resample, roots, maxFileBytes, maxPixels, decodeTimeoutMs, decodeConcurrency, blockDecoders } =
    options;
  return {
    tasks: tasks.refs(),
    clipModels,
    maxBatch,
    image: { orientation, resample, roots, maxFileBytes, maxPixels, decodeTimeoutMs, decodeConcurrency, blockDecoders },
    session: { device, strictDevice, intraOpThreads },
  };
}

/** A server that expects another length would answer 400 to every job: better to say so before the first. */
function checkDimensions(units: readonly ThreadUnit[], expected: number): void {
  for (const { label, dimension } of units) {
    if (expected === 0 || dimension === undefined || dimension === expected) continue;
    throw new RunnerError(
      'MODEL_WRONG_LENGTH',
      `The model "${label}" makes vectors of ${dimension} numbers, but the server expects ${expected} ` +
        '(embeddingDim, PROCESSING_EMBEDDING_DIM): set it to the model, or choose another model.',
    );
  }
}

function tensorBytes({ preprocess: { crop } }: ClipModel): number {
  return 3 * crop.width * crop.height * Float32Array.BYTES_PER_ELEMENT;
}
