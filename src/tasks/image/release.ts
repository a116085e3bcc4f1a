import type { Photo } from '../task.js';

/** In Node.js 21 and later, and before with `--harmony-rab-gsab-transfer`. */
type Transferable = ArrayBufferLike & { readonly transfer?: (byteLength: number) => unknown };

/**
 * Gives a photo's pixels back to the system now: nobody may look at them any more, and its arrays are empty from here on. A
 * garbage collection finds them late, because to V8 a photo of 36 MB is a small object. Does nothing where the runtime
 * can't.
 */
export function releasePixels({ data, reduced }: Photo): void {
  const buffer: Transferable = data.buffer;
  // A view of a larger buffer has neighbours.
  if (data.byteLength === buffer.byteLength) buffer.transfer?.(0);
  if (reduced !== undefined) releasePixels(reduced);
}
