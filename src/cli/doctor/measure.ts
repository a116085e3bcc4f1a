import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerError, coerceError } from '../../errors.js';
import { resolveRunnerOptions, type RunnerOptions } from '../../options.js';
import { memoryQueue } from '../../queue/memory.js';
import { createRunner, type Runner } from '../../runner.js';
import { memorySink } from '../../sink/memory.js';
import type { ModelStats, RunnerStats } from '../../stats.js';
import { taskNames } from '../../task-names.js';
import { peakBytes } from '../peak-memory.js';

/** The size of a usual camera's photos. */
const WIDTH = 4000;
const HEIGHT = 3000;
const STOP_MS = 4000;
/** A model that takes longer for its first batches is measured by what it has done until then. */
const MOST_MS = 120_000;

/** Made photos in a folder of their own, until `remove()`. */
export interface MadePhotos {
  readonly folder: string;
  readonly names: readonly string[];
  remove(): Promise<void>;
}

/** What a run on made photos came to. */
export interface Measured {
  readonly perSecond: number;
  /**
   * Memory of the process with the models at its highest, or after loading where the system doesn't tell; above the limit where
   * a process was replaced because of it.
   */
  readonly memoryBytes: number;
  readonly meanBatch: number;
  readonly models: readonly ModelStats[];
  /** Milliseconds per photo of each stage, those that overlap counted in full. */
  readonly stageMs: Readonly<Record<string, number>>;
}

/**
 * Made anew, in the folder for temporary files. They are gone, too, where it fails, or where the process exits before `remove()`.
 * @throws RunnerError `FILE_IO` where that folder can't be written
 */
export async function makePhotos(count = 2): Promise<MadePhotos> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-doctor-')).catch(throwUnwritable);
  const onExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', onExit);
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    process.off('exit', onExit);
  };
  try {
    return { folder, names: await writePhotos(folder, count), remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

function throwUnwritable(cause: unknown): never {
  const { message } = coerceError(cause);
  throw new RunnerError('FILE_IO', `No photos can be made in ${tmpdir()}: ${message}`, { cause });
}

async function writePhotos(folder: string, count: number): Promise<readonly string[]> {
  // With the first photo: a command that decodes nothing itself is spared the decoders.
  const { makeJpeg } = await import('../../tasks/image/sharp.js');
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const name = `made-${i}.jpg`;
    const jpeg = await (i % 2 === 0 ? makeJpeg(WIDTH, HEIGHT) : makeJpeg(HEIGHT, WIDTH));
    await writeFile(path.join(folder, name), jpeg).catch(throwUnwritable);
    names.push(name);
  }
  return names;
}

/**
 * Runs made photos through a runner with these options, all of its tasks, for so long after a warm-up of two batches.
 * @throws RunnerError what keeps the runner from starting, or the photos from being done; `RUNNER_STOPPED` by the signal
 */
export async function measureRunner(
  options: RunnerOptions,
  photos: MadePhotos,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<Measured> {
  signal.throwIfAborted();
  const { maxMemoryBytes, tasks } = resolveRunnerOptions(options);
  const queue = memoryQueue();
  const sink = memorySink({ maxDeliveries: 1 });
  const runner = createRunner({ ...options, queue, sink, roots: [photos.folder], isolation: 'process' });
  const child = { pid: 0, loadedBytes: 0, leastBytes: 0 };
  let layout: Layout = { maxBatch: 1, threads: 1 };
  runner.on('runner:ready', ({ maxBatch, threads }) => (layout = { maxBatch, threads }));
  runner.on('child:started', ({ pid, rssBytes }) => Object.assign(child, { pid, loadedBytes: rssBytes }));
  // The peak of a process that has ended can't be read any more.
  runner.on('child:recycled', ({ reason }) => {
    if (reason === 'memory') child.leastBytes = maxMemoryBytes + 1;
  });
  const over = new AbortController();
  let onAbort: () => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    const onFailure = ({ error }: { readonly error: RunnerError }): void => reject(error);
    for (const name of ['job:buried', 'job:retried', 'runner:failed', 'child:died'] as const)
      runner.on(name, onFailure);
    onAbort = () => reject(stopped());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  // Heard of below, or not at all where the runner could not start.
  failed.catch(() => undefined);
  try {
    await Promise.race([runner.start(), failed]);
    const names = taskNames(tasks);
    let id = 0;
    const feed = (count: number): void => {
      for (let i = 0; i < count; i++) {
        id += 1;
        queue.push({ photo_id: id, user_id: 1, path: photos.names[id % photos.names.length], tasks: names });
      }
    };
    const timed = await Promise.race([timeRun(runner, feed, { ...layout, seconds, over: over.signal }), failed]);
    const peak = (await peakBytes(child.pid)) ?? child.loadedBytes;
    return { ...timed, memoryBytes: Math.max(peak, child.leastBytes) };
  } finally {
    over.abort();
    signal.removeEventListener('abort', onAbort);
    await runner.stop({ deadlineMs: signal.aborted ? 0 : STOP_MS });
  }
}

/** What the runner goes by, which may be of a tuning. */
interface Layout {
  readonly maxBatch: number;
  readonly threads: number;
}

/** Keeps the queue filled, and counts. Photos end in batches, so the time is taken from the end of one to that of another. */
async function timeRun(
  runner: Runner,
  feed: (count: number) => void,
  { maxBatch, threads, seconds, over }: Layout & { readonly seconds: number; readonly over: AbortSignal },
): Promise<Omit<Measured, 'memoryBytes'>> {
  const whole = maxBatch * threads;
  const warmUp = 2 * whole;
  const began = { atMs: performance.now(), done: 0, stats: runner.stats() };
  let start = began;
  let last = began;
  const end = runner.on('job:done', () => {
    feed(1);
    last = { atMs: performance.now(), done: last.done + 1, stats: began.stats };
    if (last.done === warmUp) start = { ...last, stats: runner.stats() };
  });
  feed(warmUp + 8 * whole);
  const isLate = (): boolean => performance.now() - began.atMs > MOST_MS;
  const isEnough = (): boolean => last.done >= warmUp + 2 * whole && performance.now() - start.atMs >= seconds * 1000;
  while (!isEnough() && !isLate() && !over.aborted) await sleep(20);
  end();
  const after = runner.stats();
  const count = Math.max(1, last.done - start.done);
  const msOf = (stats: RunnerStats, stage: string): number => stats.stages[stage]?.ms ?? 0;
  const stages = Object.keys(after.stages);
  return {
    perSecond: ((last.done - start.done) / Math.max(1, last.atMs - start.atMs)) * 1000,
    meanBatch: after.batches.meanItems,
    models: after.models,
    stageMs: Object.fromEntries(
      stages.map((stage) => [stage, (msOf(after, stage) - msOf(start.stats, stage)) / count]),
    ),
  };
}

function stopped(): RunnerError {
  return new RunnerError('RUNNER_STOPPED', 'The measurement was stopped before it was done.');
}
