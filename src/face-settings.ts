import type { Emit } from './events.js';
import type { FaceModel, FaceSettings } from './model.js';
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
  const model = await resolveFaceModel(faceModel, { ...hub, signal, onProgress });
  return {
    model,
    label,
    threshold: options.faceThreshold,
    maxOverlap: options.faceNms,
    size: detectorSide(model, options),
    maxPerPhoto: options.maxFacesPerPhoto,
    extras: options.faceExtras,
    ladder: options.faceLadder,
    decode: options.faceDecode,
  };
}

/** Side of the square that the detector sees, in pixels: as it is set, as the graph fixes it, or insightface's. */
export function detectorSide({ detectionSide }: FaceModel, { faceSize }: Pick<ResolvedOptions, 'faceSize'>): number {
  return faceSize || (detectionSide ?? 640);
}
