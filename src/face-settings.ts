import type { Emit } from './events.js';
import type { FaceSettings } from './model.js';
import { resolveFaceModel } from './models/resolve-face.js';
import type { ResolvedOptions } from './options.js';

/**
 * Finds or downloads the face model, and says what the task `face` is to do with it.
 * @throws RunnerError `MODEL_*`, `OPTIONS_INVALID`
 */
export async function resolveFaces(
  options: ResolvedOptions,
  { emit, signal }: { readonly emit: Emit; readonly signal: AbortSignal },
): Promise<FaceSettings> {
  const { faceModel, faceLabel: label, hub } = options;
  const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
    emit('model:progress', { label, ...progress });
  return {
    model: await resolveFaceModel(faceModel, { ...hub, signal, onProgress }),
    label,
    threshold: options.faceThreshold,
    maxOverlap: options.faceNms,
    size: options.faceSize,
    maxPerPhoto: options.maxFacesPerPhoto,
    extras: options.faceExtras,
    ladder: options.faceLadder,
    decode: options.faceDecode,
  };
}
