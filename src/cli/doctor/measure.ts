import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerError } from '../../errors.js';
import type { RunnerOptions } from '../../options.js';
import { memoryQueue } from '../../queue/memory.js';
import { createRunner, type Runner } from '../../runner.js';
import { memorySink } from '../../sink/memory.js';
import type { ModelStats, RunnerStats } from '../../stats.js';
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
  /** Memory of the process with the models at its highest, or after loading where the system doesn't tell. */
  readonly memoryBytes: number;
  readonly meanBatch: number;
  readonly models: readonly ModelStats[];
  /** Milliseconds per photo of each stage, those that overlap counted in full. */
  readonly stageMs: Readonly<Record<string, number>>;
}

export async function makePhotos(count = 2): Promise<MadePhotos> {
  const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-doctor-'));
  // With the first photo: a command that decodes nothing itself is spared the decoders.
  const { makeJpeg } = await import('../../tasks/image/sharp.js');
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const name = `made-${i}.jpg`;
    const jpeg = await (i % 2 === 0 ? makeJpeg(WIDTH, HEIGHT) : makeJpeg(HEIGHT, WIDTH));
    await writeFile(path.join(folder, name), jpeg);
    names.push(name);
  }
  return { folder, names, remove: () => rm(folder, { recursive: true, force: true }) };
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
  const queue = memoryQueue();
  const sink = memorySink({ maxDeliveries: 1 });
  const runner = createRunner({ ...options, queue, sink, roots: [photos.folder], isolation: 'process' });
  let pid = 0;
  let loadedBytes = 0;
  runner.on('child:started', (event) => {
    pid = event.pid;
    loadedBytes = event.rssBytes;
  });
  const failed = new Promise<never>((_, reject) => {
    const onFailure = ({ error }: { readonly error: RunnerError }): void => reject(error);
    for (const name of ['job:buried', 'job:retried', 'runner:failed', 'child:died'] as const)
      runner.on(name, onFailure);
    signal.addEventListener('abort', () => reject(stopped()), { once: true });
  });
  // Heard of below, or not at all where the runner could not start.
  failed.catch(() => undefined);
  try {
    await Promise.race([runner.start(), failed]);
    let id = 0;
    const feed = (count: number): void => {
      for (let i = 0; i < count; i++) {
        id += 1;
        queue.push({ photo_id: id, user_id: 1, path: photos.names[id % photos.names.length], tasks: options.tasks });
      }
    };
    const timed = await Promise.race([timeRun(runner, feed, options, seconds), failed]);
    return { ...timed, memoryBytes: (await peakBytes(pid)) ?? loadedBytes };
  } finally {
    await runner.stop({ deadlineMs: STOP_MS });
  }
}

/** Keeps the queue filled, and counts. Photos end in batches, so the time is taken from the end of one to that of another. */
async function timeRun(
  runner: Runner,
  feed: (count: number) => void,
  { maxBatch = 8, threads = 1 }: RunnerOptions,
  seconds: number,
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
  while (!isEnough() && !isLate()) await sleep(20);
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
