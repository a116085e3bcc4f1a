import { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import type { InputKind } from './job.js';
import { Lane } from './lane.js';
import { untilAborted } from './lifecycle.js';
import type { RunnerModels } from './model.js';
import { preparedFolder } from './models/cache.js';
import { resolveHubOptions } from './models/hub-options.js';
import type { ResolvedOptions } from './options.js';
import type { Pool, PoolOptions } from './pool/pool.js';
import { ProcessPool } from './pool/process-pool.js';
import type { ThreadUnit, WorkerSettings } from './pool/protocol.js';
import { ThreadPool } from './pool/thread-pool.js';
import { relayChildEvents } from './relay.js';
import type { TaskTable } from './task-table.js';

export interface EngineHooks {
  readonly emit: Emit;
  /** Every thread hangs in a batch that is overdue: nothing more can be done here. */
  readonly onStuck: (error: RunnerError) => void;
  /** Ends `open()` early. */
  readonly signal: AbortSignal;
}

/** How a lane differs from the others: its threads, the size of its batches, and how long a part batch may wait. */
type LaneShape = Pick<ResolvedOptions, 'threads' | 'intraOpThreads' | 'maxBatch' | 'maxWaitMs'>;

/**
 * Opens a lane, with threads and sessions of its own, for each kind of input that a task reads. A person waits for a
 * text: it never queues behind photos.
 * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`; what was opened is then closed.
 */
export async function openLanes(
  options: ResolvedOptions,
  tasks: TaskTable,
  models: RunnerModels,
  { emit, onStuck, signal }: EngineHooks,
): Promise<ReadonlyMap<InputKind, Lane>> {
  const pools: Pool[] = [];
  const lanes = new Map<InputKind, Lane>();
  const units: ThreadUnit[] = [];
  let loadMs = 0;
  try {
    // One after the other: loading uses every core as it is.
    for (const kind of tasks.kinds()) {
      signal.throwIfAborted();
      const shape = shapeOf(kind, options);
      const settings = { ...workerSettings(options, shape, models), tasks: tasks.refs(kind) };
      const pool = makePool(kind, { threads: shape.threads, settings }, options, emit);
      pool.whenStuck(onStuck);
      pools.push(pool);
      const report = await untilAborted(pool.load(), signal);
      units.push(...report.units);
      loadMs += report.loadMs;
      // A graph with a larger fixed batch would be run half empty.
      const maxBatch = Math.max(shape.maxBatch, ...report.units.map((unit) => unit.maxBatch));
      lanes.set(kind, new Lane(kind, pool, { ...options, ...shape, maxBatch }, emit));
    }
    checkDimensions(units, options);
    checkTowers(units);
  } catch (thrown) {
    // Not awaited: a thread that hangs in its model would keep us.
    for (const pool of pools) void pool.close();
    throw thrown;
  }
  tasks.setUnits(units);
  for (const { task, label, device, refusals = [], maxBatch, dimension } of units) {
    emit('model:ready', { task, label, device, refusals, maxBatch, dimension });
  }
  const threads = pools.reduce((sum, pool) => sum + pool.threads, 0);
  const { intraOpThreads, maxBatch, decodeConcurrency } = options;
  emit('runner:ready', { threads, intraOpThreads, maxBatch, decodeConcurrency, loadMs });
  return lanes;
}

/** Each lane has a child process of its own: a photo that kills one does no harm to a person who waits for a text. */
function makePool(
  lane: InputKind,
  work: Pick<PoolOptions, 'threads' | 'settings'>,
  { isolation, loadTimeoutMs, batchTimeoutMs, maxMemoryBytes, ...options }: ResolvedOptions,
  emit: Emit,
): Pool {
  const poolOptions = { ...work, loadTimeoutMs, batchTimeoutMs, maxMemoryBytes };
  if (isolation === 'thread') return new ThreadPool(poolOptions);
  return new ProcessPool({
    ...poolOptions,
    limits: { maxMemoryBytes, maxJobs: options.childMaxJobs, maxAgeMs: options.childMaxAgeMs },
    onEvent: relayChildEvents(lane, emit),
  });
}

/** Texts: one thread that may use as many cores as those of the photos together, and no wait for a fuller batch. */
function shapeOf(kind: InputKind, options: ResolvedOptions): LaneShape {
  const { threads, intraOpThreads, maxBatch, maxTextBatch, maxWaitMs } = options;
  if (kind === 'image') return { threads, intraOpThreads, maxBatch, maxWaitMs };
  return { threads: 1, intraOpThreads: threads * intraOpThreads, maxBatch: maxTextBatch, maxWaitMs: 0 };
}

function workerSettings(
  options: ResolvedOptions,
  { threads, intraOpThreads, maxBatch }: LaneShape,
  models: RunnerModels,
): Omit<WorkerSettings, 'tasks'> {
  const { device, strictDevice, prepareModels, maxDecodedBytes } = options;
  const { orientation, resample, roots, maxFileBytes, maxPixels, decodeTimeoutMs, decodeConcurrency, blockDecoders } =
    options;
  return {
    models,
    maxBatch,
    image: {
      ...{ orientation, resample, roots, maxFileBytes, maxPixels, decodeTimeoutMs, decodeConcurrency, blockDecoders },
      maxDecodedBytes: Math.ceil(maxDecodedBytes / threads),
    },
    session: { device, strictDevice, intraOpThreads },
    ...(prepareModels ? { preparedFolder: preparedFolder(resolveHubOptions(options.hub).cacheDir) } : {}),
  };
}

/** A server that expects another length would answer 400 to every job: better to say so before the first. */
function checkDimensions(units: readonly ThreadUnit[], options: ResolvedOptions): void {
  for (const { task, label, dimension } of units) {
    const [expected, names] =
      task === 'face'
        ? [options.faceDim, 'faceDim, PROCESSING_FACE_EMBEDDING_DIM']
        : [options.embeddingDim, 'embeddingDim, PROCESSING_EMBEDDING_DIM'];
    if (expected === 0 || dimension === undefined || dimension === expected) continue;
    throw new RunnerError(
      'MODEL_WRONG_LENGTH',
      `The model "${label}" makes vectors of ${dimension} numbers, but the server expects ${expected} ` +
        `(${names}): set it to the model, or choose another model.`,
    );
  }
}

/** A text finds photos only where both sides of a model make vectors of the same space. */
function checkTowers(units: readonly ThreadUnit[]): void {
  for (const text of units.filter(({ task }) => task === 'text')) {
    const image = units.find(({ task, label }) => task === 'clip' && label === text.label);
    if (image === undefined || image.dimension === text.dimension) continue;
    throw new RunnerError(
      'MODEL_INVALID',
      `The sides of the model "${text.label}" don't belong together: pictures become ${String(image.dimension)} numbers, ` +
        `texts ${String(text.dimension)}. Take both graphs from the same export.`,
    );
  }
}
