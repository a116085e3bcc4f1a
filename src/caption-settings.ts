import type { Emit } from './events.js';
import type { CaptionSettings } from './model.js';
import { resolveCaptionModel } from './models/resolve-caption.js';
import type { ResolvedOptions } from './options.js';

/**
 * Finds or downloads the caption model, and says what the task `caption` is to do with it.
 * @throws RunnerError `MODEL_*`, `OPTIONS_INVALID`
 */
export async function resolveCaptions(
  { captionModel, captionMaxTokens: maxNewTokens, hub, dtype }: ResolvedOptions,
  { emit, signal }: { readonly emit: Emit; readonly signal: AbortSignal },
): Promise<CaptionSettings> {
  const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
    emit('model:progress', { label: 'caption', ...progress });
  return { model: await resolveCaptionModel(captionModel, { ...hub, dtype, signal, onProgress }), maxNewTokens };
}
