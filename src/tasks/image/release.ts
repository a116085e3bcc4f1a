import type { Photo } from '../task.js';

/** In Node.js 21 and later, and before with `--harmony-rab-gsab-transfer`. */
type Transferable = ArrayBufferLike & { readonly transfer?: (byteLength: number) => unknown };

/** Files that photos may yet be decoded from (`Photo.inFull`). */
const heldFiles = new WeakMap<Photo, Uint8Array>();

/**
 * Gives a photo's pixels back to the system now, and the file that is held for it: nobody may look at them any more, and its
 * arrays are empty from here on. A garbage collection finds them late, because to V8 a photo of 36 MB is a small object. Does
 * nothing where the runtime can't.
 */
export function releasePhoto(photo: Photo): void {
  const { data, reduced } = photo;
  // A view of a larger buffer has neighbours.
  if (data.byteLength === data.buffer.byteLength) giveBack(data.buffer);
  if (reduced !== undefined) releasePhoto(reduced);
  const file = heldFiles.get(photo);
  if (file !== undefined) releaseFile(file);
}

/** The same for the bytes of a file, from `readPhotoFile()`: nothing else is in their buffer. */
export function releaseFile(bytes: Uint8Array): void {
  giveBack(bytes.buffer);
}

/** Has the file of a photo released with it, and not before. */
export function holdFile(photo: Photo, bytes: Uint8Array): void {
  heldFiles.set(photo, bytes);
}

function giveBack(buffer: Transferable): void {
  buffer.transfer?.(0);
}
