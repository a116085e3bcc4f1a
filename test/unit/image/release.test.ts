import { expect, it } from 'vitest';
import { releasePixels } from '../../../src/tasks/image/release.js';
import type { Photo } from '../../../src/tasks/task.js';

/** A photo in a buffer that says what becomes of it, as one of Node.js 22 would. */
function photoOf(buffer: ArrayBuffer, data: Uint8Array): { readonly photo: Photo; readonly lengths: number[] } {
  const lengths: number[] = [];
  Object.assign(buffer, { transfer: (length: number) => lengths.push(length) });
  return { photo: { width: 2, height: 2, data, originalWidth: 2, originalHeight: 2 }, lengths };
}

it('gives back the pixels of a photo, and those of the smaller one beside it', () => {
  const [large, small] = [new ArrayBuffer(12), new ArrayBuffer(3)];
  const one = photoOf(large, new Uint8Array(large));
  const other = photoOf(small, new Uint8Array(small));
  releasePixels({ ...one.photo, reduced: other.photo });
  expect([one.lengths, other.lengths]).toEqual([[0], [0]]);
});

it('leaves a buffer alone that holds other things, too', () => {
  const shared = new ArrayBuffer(100);
  const { photo, lengths } = photoOf(shared, new Uint8Array(shared, 4, 12));
  releasePixels(photo);
  expect(lengths).toEqual([]);
});

it('does nothing where buffers can not be given back', () => {
  const data = new Uint8Array(12);
  Object.assign(data.buffer, { transfer: undefined });
  releasePixels({ width: 2, height: 2, data, originalWidth: 2, originalHeight: 2 });
  expect(data).toHaveLength(12);
});
