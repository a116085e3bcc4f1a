import { coerceError } from '../../errors.js';
import { isForNoCommerce, noCommerceText } from '../../licence.js';
import { parseModels } from '../../model-names.js';
import type { Device } from '../../model.js';
import type { RunnerOptions } from '../../options.js';
import { createRunner } from '../../runner.js';
import { sizeText } from '../models/table.js';
import { note, ok, problem, type Finding } from './finding.js';

export interface ModelExam {
  readonly findings: readonly Finding[];
  /** Where its sessions run. */
  readonly devices: readonly Device[];
  /** Why they run nowhere better. */
  readonly refusals: readonly string[];
  readonly isLoaded: boolean;
}

/** A task, and what it is called in findings. */
interface Part {
  readonly title: string;
  readonly options: RunnerOptions;
}

/**
 * Loads each model in a child process of its own, as `photos` would, from what is on this machine: nothing is downloaded.
 * Throws the reason of the signal once that is aborted.
 */
export async function examineModels(
  options: RunnerOptions,
  { signal, onPart }: { readonly signal: AbortSignal; readonly onPart: (title: string) => void },
): Promise<readonly ModelExam[]> {
  const exams: ModelExam[] = [];
  for (const part of partsOf(options)) {
    signal.throwIfAborted();
    onPart(part.title);
    exams.push(await examinePart(part, signal));
  }
  return exams;
}

function partsOf(options: RunnerOptions): readonly Part[] {
  const tasks = (options.tasks ?? ['clip']).filter((task) => typeof task === 'string');
  const models = parseModels(options.models ?? []);
  const clip = models.map((model) => ({
    title: `${model.label} (${model.name})`,
    options: { ...options, tasks: ['clip'], models: [model] },
  }));
  const titles = { caption: options.captionModel, face: options.faceModel, ocr: options.ocrModel };
  const others = tasks
    .filter((task) => task !== 'clip')
    .map((task) => ({
      title: `${task} (${titles[task as keyof typeof titles] ?? 'its default model'})`,
      // Captions are embedded by the text side of the first model.
      options: { ...options, tasks: [task], models: models.slice(0, 1) },
    }));
  return [...clip, ...others];
}

async function examinePart({ title, options }: Part, signal: AbortSignal): Promise<ModelExam> {
  const findings: Finding[] = [];
  const devices: Device[] = [];
  const refusals: string[] = [];
  const runner = createRunner({
    ...options,
    hub: { ...options.hub, offline: true },
    isolation: 'process',
    tuning: 'off',
  });
  let rssBytes = 0;
  let licence: string | undefined;
  runner.on('child:started', (event) => (rssBytes = event.rssBytes));
  runner.on('model:ready', (model) => {
    devices.push(model.device);
    refusals.push(...model.refusals);
  });
  runner.on('model:licence', (event) => (licence = event.licence));
  const stopAtOnce = (): void => void runner.stop({ deadlineMs: 0 });
  signal.addEventListener('abort', stopAtOnce, { once: true });
  const startedAt = performance.now();
  try {
    await runner.start();
    const seconds = (performance.now() - startedAt) / 1000;
    const where = [...new Set(devices)].join(', ');
    const summary = `${title}: loaded on ${where} in ${seconds.toFixed(1)} s; its process takes ${sizeText(rssBytes)}`;
    findings.push(ok('models', summary, { model: title, rssBytes, devices, seconds }));
    if (isForNoCommerce(licence)) findings.push(licenceFinding(title, licence));
    return { findings, devices, refusals, isLoaded: true };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = coerceError(thrown);
    findings.push(problem('models', `${title}: ${message}`, remedyFor(code), { model: title, code }));
    return { findings, devices, refusals, isLoaded: false };
  } finally {
    signal.removeEventListener('abort', stopAtOnce);
    await runner.stop({ deadlineMs: 2000 });
  }
}

function licenceFinding(title: string, licence: string): Finding {
  const remedy = 'For commercial use take another model, e.g. FACE_MODEL_NAME=yunet-sface for faces.';
  return note('models', `${title}: ${noCommerceText(licence)} (${licence})`, remedy, {
    model: title,
    licence,
  });
}

function remedyFor(code: string): string {
  if (code === 'MODEL_OFFLINE')
    return 'clip-runner models pull fetches what is configured; photos would fetch it when it starts.';
  if (code === 'MODEL_WRONG_LENGTH')
    return 'Set PROCESSING_EMBEDDING_DIM (or PROCESSING_FACE_EMBEDDING_DIM) to what the gallery stores.';
  if (code === 'DEVICE_UNAVAILABLE') return 'See devices below, or unset CLIP_STRICT_DEVICE.';
  return 'clip-runner models verify says more; --repair fetches damaged files again.';
}
