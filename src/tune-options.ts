import { stat } from 'node:fs/promises';
import type { RunnerModels } from './model.js';
import { resolveHubOptions } from './models/hub-options.js';
import type { ResolvedOptions } from './options.js';
import { taskNames } from './task-names.js';
import type { TaskTable } from './task-table.js';
import {
  readTuning,
  tuningFile,
  tuningSubject,
  whyStale,
  type Tuning,
  type TuningEntry,
  type TuningSubject,
} from './tuning.js';

/** A tuning as it was kept, and what has changed since, if anything. */
export interface KeptTuning {
  readonly entry: TuningEntry;
  readonly stale: string | undefined;
}

/** The options with what this machine was tuned to for these models, where it was, and where that still holds. */
export async function tuneOptions(
  options: ResolvedOptions,
  tasks: TaskTable,
  models: RunnerModels,
  applyTuning: (tuning: Tuning) => ResolvedOptions,
): Promise<ResolvedOptions> {
  if (options.tuning === 'off' || !tasks.kinds().includes('image')) return options;
  const kept = await keptTuning(options, models);
  return kept === undefined || kept.stale !== undefined ? options : applyTuning(kept.entry.tuning);
}

/** What was kept for these options, whether it still holds or not. */
export async function keptTuning(options: ResolvedOptions, models: RunnerModels): Promise<KeptTuning | undefined> {
  const { cacheDir } = resolveHubOptions(options.hub);
  // Mostly there is none, and the models need not be read for it.
  if ((await stat(tuningFile(cacheDir)).catch(() => undefined)) === undefined) return undefined;
  const subject = await subjectOf(options, models);
  const entry = await readTuning(cacheDir, subject);
  return entry === undefined ? undefined : { entry, stale: whyStale(entry, subject) };
}

/** What a tuning for these options is for. */
export function subjectOf(options: ResolvedOptions, models: RunnerModels): Promise<TuningSubject> {
  const { dtype, device, resample, faceDecode, faceSize } = options;
  const tasks = taskNames(options.tasks);
  const settings = [dtype, device, resample, ...(models.faces === undefined ? [] : [faceDecode, faceSize])];
  return tuningSubject(models, { tasks, settings });
}
