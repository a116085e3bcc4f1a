import { availableParallelism } from 'node:os';
import { coerceError } from '../../errors.js';
import type { Device } from '../../model.js';
import { resolveHubOptions } from '../../models/hub-options.js';
import {
  givenTunings,
  resolveRunnerOptions,
  withTuning,
  type ResolvedOptions,
  type RunnerOptions,
} from '../../options.js';
import { resolveRunnerModels } from '../../runner-models.js';
import { TaskTable } from '../../task-table.js';
import { keptTuning, subjectOf, tuneOptions } from '../../tune-options.js';
import { tuningFile, writeTuning, type Tuning } from '../../tuning.js';
import { sizeText } from '../models/table.js';
import { note, ok, type Finding } from './finding.js';
import { climb, type Climb, type Reading } from './hill-climb.js';
import { measureRunner, type MadePhotos } from './measure.js';
import { changeText, neighbourTunings, tuningText } from './tuning-space.js';

const MOST_MEASUREMENTS = 40;

export interface TuneHooks {
  readonly signal: AbortSignal;
  /** Of one measurement, without loading and warm-up. @default 4 */
  readonly seconds?: number;
  /** Told after each measurement. */
  readonly onReading: (text: string) => void;
}

/**
 * Finds the batch, threads and decodings with the most photos a second on this machine, and keeps them for `photos`. What is
 * set by hand is not varied.
 * @throws RunnerError what keeps the models from loading as they are set; `RUNNER_STOPPED` by the signal
 */
export async function tune(
  options: RunnerOptions,
  photos: MadePhotos,
  { signal, onReading, seconds = 4 }: TuneHooks,
): Promise<readonly Finding[]> {
  const untuned = resolveRunnerOptions({ ...options, tuning: 'off' });
  const fixed = givenTunings(options);
  let devices: readonly Device[] = [];
  const result = await climb<Tuning>(
    {
      start: tuningOf(untuned),
      neighbours: (point) => neighbourTunings(point, availableParallelism(), fixed),
      keyOf: tuningText,
      measure: async (point) => {
        try {
          const reading = await measureRunner({ ...options, ...point }, photos, { seconds, signal });
          onReading(`${tuningText(point)}: ${readingText(reading)}`);
          devices = devicesOf(reading.models.map(({ device }) => device));
          return reading;
        } catch (thrown) {
          if (!signal.aborted) onReading(`${tuningText(point)}: failed`);
          throw thrown;
        }
      },
    },
    { memoryBytes: untuned.maxMemoryBytes || Infinity, measurements: MOST_MEASUREMENTS, signal },
  );
  return [
    explain(result, tuningOf(untuned)),
    ...result.failures.map(failureFinding),
    await keep(options, result, devices),
  ];
}

function failureFinding({ point, thrown }: Climb<Tuning>['failures'][number]): Finding {
  const { code, message } = coerceError(thrown);
  const summary = `${tuningText(point)} failed, and is no choice: ${message}`;
  return note('tuning', summary, `docs/errors.md says what ${code} means.`, { tuning: point, code });
}

function explain({ best, reading, start, steps, measurements }: Climb<Tuning>, from: Tuning): Finding {
  const facts = {
    tuning: best,
    perSecond: reading.perSecond,
    memoryBytes: reading.memoryBytes,
    from,
    start,
    measurements,
  };
  if (steps.length === 0)
    return ok(
      'tuning',
      `${tuningText(from)} is the best here: ${readingText(reading)}; nothing near it is faster`,
      facts,
    );
  const details = steps.map(
    ({ from: before, to, ...one }) => `${changeText(before, to)}: ${gainText(one.before, one.after)}`,
  );
  return ok('tuning', `${tuningText(best)}, ${readingText(reading)}. ${details.join('; ')}`, facts);
}

async function keep(
  options: RunnerOptions,
  { best, reading, start }: Climb<Tuning>,
  devices: readonly Device[],
): Promise<Finding> {
  const resolved = resolveRunnerOptions(options);
  const { cacheDir } = resolveHubOptions(resolved.hub);
  const subject = await subjectOf(resolved, await modelsOf(options));
  try {
    await writeTuning(cacheDir, subject, {
      ...{ facts: subject.facts, tuning: best, perSecond: reading.perSecond, untunedPerSecond: start.perSecond },
      ...{ devices, at: new Date().toISOString() },
    });
    return ok('tuning', `Kept in ${tuningFile(cacheDir)}; photos takes it from its next start on`, { subject });
  } catch {
    const { maxBatch, threads, intraOpThreads, decodeConcurrency } = best;
    const variables =
      `CLIP_MAX_BATCH=${maxBatch} CLIP_THREADS=${threads} CLIP_INTRA_OP_THREADS=${intraOpThreads} ` +
      `CLIP_DECODE_CONCURRENCY=${decodeConcurrency}`;
    return note(
      'tuning',
      `${tuningFile(cacheDir)} can't be written`,
      `Set ${variables}, or HF_HOME to a folder that may be written.`,
    );
  }
}

/** The options that `photos` goes by: those with a tuning that still holds. Throws what keeps the models from being found. */
export async function tunedOptions(options: RunnerOptions): Promise<ResolvedOptions> {
  const resolved = resolveRunnerOptions(options);
  const applyTuning = (tuning: Tuning): ResolvedOptions => withTuning(options, tuning);
  return tuneOptions(resolved, new TaskTable(resolved.tasks), await modelsOf(options), applyTuning);
}

/** Whether there is a tuning, and whether it still holds. `used`: where the models run. */
export async function tuningFinding(options: RunnerOptions, used: readonly Device[]): Promise<Finding> {
  const resolved = resolveRunnerOptions(options);
  const again = 'clip-runner doctor --tune makes it anew.';
  if (resolved.tuning === 'off') return ok('tuning', 'Off (CLIP_TUNING=off)');
  const kept = await keptTuning(resolved, await modelsOf(options));
  if (kept === undefined)
    return note('tuning', 'None for these models on this machine', 'clip-runner doctor --tune looks for one.');
  const { entry, stale } = kept;
  const facts = { ...entry, stale: stale ?? null };
  if (stale !== undefined) return note('tuning', `Not taken: ${stale}`, again, facts);
  const [then, now] = [devicesOf(entry.devices ?? used).join(' and '), devicesOf(used).join(' and ')];
  if (then !== now)
    return note('tuning', `${tuningText(entry.tuning)}: made on ${then}, but models run on ${now} now`, again, facts);
  return ok('tuning', `${tuningText(entry.tuning)}, of ${entry.at.slice(0, 10)}; settings by hand win`, facts);
}

async function modelsOf(options: RunnerOptions): ReturnType<typeof resolveRunnerModels> {
  const resolved = resolveRunnerOptions({ ...options, hub: { ...options.hub, offline: true } });
  const hooks = { emit: () => undefined, signal: new AbortController().signal };
  return resolveRunnerModels(resolved, new TaskTable(resolved.tasks), hooks);
}

function devicesOf(used: readonly Device[]): readonly Device[] {
  return [...new Set(used)].sort();
}

function tuningOf({ maxBatch, threads, intraOpThreads, decodeConcurrency }: Tuning): Tuning {
  return { maxBatch, threads, intraOpThreads, decodeConcurrency };
}

function readingText({ perSecond, memoryBytes }: Reading): string {
  return `${perSecond.toFixed(2)} photos/s, ${sizeText(memoryBytes)}`;
}

/** `4 % faster, 120 MB less`. */
export function gainText(before: Reading, after: Reading): string {
  const percent = Math.round((after.perSecond / before.perSecond - 1) * 100);
  const speed = percent === 0 ? 'as fast' : `${Math.abs(percent)} % ${percent > 0 ? 'faster' : 'slower'}`;
  const bytes = after.memoryBytes - before.memoryBytes;
  return `${speed}, ${sizeText(Math.abs(bytes))} ${bytes > 0 ? 'more' : 'less'}`;
}
