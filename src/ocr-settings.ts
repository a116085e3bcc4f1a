import type { Emit } from './events.js';
import type { OcrSettings } from './model.js';
import type { HubOptions } from './models/hub-options.js';
import { resolveOcrModel } from './models/resolve-ocr.js';
import type { OcrOptions } from './ocr-options.js';

/** Of the unit, in events and statistics; callbacks have none. */
const LABEL = 'pp-ocr';

/**
 * Finds or downloads the text reader, and says what the task `ocr` is to do with it.
 * @throws RunnerError `MODEL_*`, `OPTIONS_INVALID`
 */
export async function resolveOcr(
  options: OcrOptions & { readonly hub: HubOptions },
  { emit, signal }: { readonly emit: Emit; readonly signal: AbortSignal },
): Promise<OcrSettings> {
  const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
    emit('model:progress', { label: LABEL, ...progress });
  return {
    model: await resolveOcrModel(options.ocrModel, { ...options.hub, signal, onProgress }),
    label: LABEL,
    threshold: options.ocrThreshold,
    boxThreshold: options.ocrBoxThreshold,
    size: options.ocrSize,
    maxPerPhoto: options.maxLinesPerPhoto,
  };
}
