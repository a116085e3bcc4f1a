import { coerceError } from './errors.js';
import type { ImageSettings, ThreadItem } from './pool/protocol.js';
import type { ReadPorts } from './pool/thread.js';
import { decodePhoto, mergeNeeds } from './tasks/image/decode.js';
import { blameUpload, readPhotoFile } from './tasks/image/read-file.js';
import { holdFile, releaseFile } from './tasks/image/release.js';
import type { Photo, TaskUnit } from './tasks/task.js';

export { configureSharp } from './tasks/image/sharp.js';

/** A photo of a job or of a direct call. */
export interface PhotoItem {
  readonly input: Exclude<ThreadItem['input'], { readonly kind: 'text' }>;
  /** Named by this process itself and not by a job. */
  readonly isTrusted: boolean;
}

/**
 * Reads a photo and decodes it once, as large as the tasks that want it need it.
 * @throws RunnerError `FILE_*`, `IMAGE_*`
 */
export async function readPhoto(
  { input, isTrusted }: PhotoItem,
  units: readonly Pick<TaskUnit, 'minPixels'>[],
  image: ImageSettings,
  { measure, admit }: ReadPorts,
): Promise<Photo> {
  const need = mergeNeeds(units.map((unit) => unit.minPixels ?? 'full'));
  const reducedNeed = mergeNeeds(units.flatMap((unit) => unit.minPixels ?? []));
  const decode = async (bytes: Uint8Array): Promise<Photo> => {
    const photo = await measure('decode', () => decodePhoto(bytes, { settings: image, need, reducedNeed, admit }));
    const { inFull } = photo;
    return inFull === undefined ? photo : { ...photo, inFull: () => measure('decode', inFull) };
  };
  if ('bytes' in input) return decode(input.bytes);
  const access = { roots: image.roots, isTrusted, maxFileBytes: image.maxFileBytes };
  const bytes = await measure('read', () => readPhotoFile(input.path, access));
  try {
    const photo = await decode(bytes);
    if (photo.inFull === undefined) releaseFile(bytes);
    else holdFile(photo, bytes);
    return photo;
  } catch (thrown) {
    throw await blameUpload(coerceError(thrown, 'IMAGE_DECODE'), input.path, access);
  }
}
