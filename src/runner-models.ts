import { resolveCaptions } from './caption-settings.js';
import type { Emit } from './events.js';
import { resolveFaces } from './face-settings.js';
import { isForNoCommerce } from './licence.js';
import type { ClipModel, RunnerModels } from './model.js';
import { resolveClipModel } from './models/resolve.js';
import { resolveOcr } from './ocr-settings.js';
import type { ResolvedOptions } from './options.js';
import type { TaskTable } from './task-table.js';

interface ResolveHooks {
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/**
 * Finds or downloads the models that the tasks need, and tells the licences that keep weights from commercial use.
 * @throws RunnerError `MODEL_*`, `OPTIONS_INVALID`
 */
export async function resolveRunnerModels(
  options: ResolvedOptions,
  tasks: TaskTable,
  hooks: ResolveHooks,
): Promise<RunnerModels> {
  const needsClip = tasks.has('clip') || tasks.has('text') || tasks.has('caption');
  const clipModels = needsClip ? await resolveClipModels(options, tasks, hooks) : [];
  const faces = tasks.has('face') ? await resolveFaces(options, hooks) : undefined;
  const captions = tasks.has('caption') ? await resolveCaptions(options, hooks) : undefined;
  const ocr = tasks.has('ocr') ? await resolveOcr(options, hooks) : undefined;
  tellLicences([...clipModels, ...(faces === undefined ? [] : [{ ...faces.model, label: faces.label }])], hooks.emit);
  return {
    clipModels,
    ...(faces === undefined ? {} : { faces }),
    ...(captions === undefined ? {} : { captions }),
    ...(ocr === undefined ? {} : { ocr }),
  };
}

async function resolveClipModels(
  { models, dtype, hub }: ResolvedOptions,
  tasks: TaskTable,
  { emit, signal }: ResolveHooks,
): Promise<readonly ClipModel[]> {
  const wantVision = tasks.kinds().includes('image');
  const resolved: ClipModel[] = [];
  for (const [index, model] of models.entries()) {
    // The first model's text side embeds captions.
    const wantText = tasks.has('text') || (index === 0 && tasks.has('caption'));
    const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
      emit('model:progress', { label: model.label, ...progress });
    resolved.push(await resolveClipModel(model, { ...hub, dtype, wantVision, wantText, signal, onProgress }));
  }
  return resolved;
}

/** Told once, at the start. */
function tellLicences(
  models: readonly { readonly label: string; readonly name: string; readonly licence?: string }[],
  emit: Emit,
): void {
  for (const { label, name, licence } of models) {
    if (isForNoCommerce(licence)) emit('model:licence', { label, name, licence });
  }
}
