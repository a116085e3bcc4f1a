import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPhoto } from '../../../src/photo-reader.js';
import { releasePhoto } from '../../../src/tasks/image/release.js';
import type { Photo } from '../../../src/tasks/task.js';
import { FAST } from '../../support/pictures.js';

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
  releasePhoto({ ...one.photo, reduced: other.photo });
  expect([one.lengths, other.lengths]).toEqual([[0], [0]]);
});

it('leaves a buffer alone that holds other things, too', () => {
  const shared = new ArrayBuffer(100);
  const { photo, lengths } = photoOf(shared, new Uint8Array(shared, 4, 12));
  releasePhoto(photo);
  expect(lengths).toEqual([]);
});

it('does nothing where buffers can not be given back', () => {
  const data = new Uint8Array(12);
  Object.assign(data.buffer, { transfer: undefined });
  releasePhoto({ width: 2, height: 2, data, originalWidth: 2, originalHeight: 2 });
  expect(data).toHaveLength(12);
});

describe('the file of a photo', () => {
  const SETTINGS = {
    ...{ ...FAST, roots: [], maxFileBytes: 2 ** 24, blockDecoders: false },
    ...{ decodeConcurrency: 1, maxDecodedBytes: 2 ** 28 },
  };
  const PORTS = {
    measure: async <T>(_: string, work: () => Promise<T>): Promise<T> => work(),
    admit: async () => Promise.resolve(),
  };
  const clip = { minPixels: { width: 224, height: 224, mode: 'shortest' } } as const;
  const faces = { minPixels: { width: 640, height: 640, mode: 'inside', orFull: true } } as const;
  let given: number[];
  let path: string;
  let bytes: number;

  beforeEach(async () => {
    given = [];
    // As in Node.js 21 and later.
    Object.defineProperty(ArrayBuffer.prototype, 'transfer', {
      configurable: true,
      value(this: ArrayBuffer) {
        given.push(this.byteLength);
        return structuredClone(this, { transfer: [this] });
      },
    });
    path = join(await mkdtemp(join(tmpdir(), 'release-')), 'photo.jpg');
    const jpeg = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: '#4488cc' } })
      .jpeg()
      .toBuffer();
    await writeFile(path, jpeg);
    bytes = jpeg.length;
  });

  afterEach(async () => {
    Reflect.deleteProperty(ArrayBuffer.prototype, 'transfer');
    await rm(dirname(path), { recursive: true });
  });

  const read = (unit: typeof clip | typeof faces): Promise<Photo> =>
    readPhoto({ input: { kind: 'image', path }, isTrusted: true }, [unit], SETTINGS, PORTS);

  it('goes once the photo is decoded', async () => {
    const photo = await read(clip);
    expect(given).toEqual([bytes + 1]);
    expect(photo.data).toHaveLength(photo.width * photo.height * 3);
  });

  it('stays as long as the photo may be wanted in full, and goes with its pixels', async () => {
    const photo = await read(faces);
    expect(given).toEqual([]);
    const full = await photo.inFull?.();
    expect(full).toMatchObject({ width: 4000, height: 3000 });
    releasePhoto(photo);
    expect(given).toEqual([1280 * 960 * 3, bytes + 1]);
  });
});
