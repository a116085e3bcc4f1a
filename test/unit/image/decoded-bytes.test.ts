import sharp from 'sharp';
import { expect, it } from 'vitest';
import { decodePhoto, type DecodeOptions } from '../../../src/tasks/image/decode.js';
import { EXACT, FAST, readPicture } from '../../support/pictures.js';

const jpeg = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#4488cc' } })
    .jpeg()
    .toBuffer();

/** What was asked for, and whether it was before the pixels were there. */
async function asked(bytes: Uint8Array, options: DecodeOptions): Promise<readonly number[]> {
  const wishes: number[] = [];
  let isDecoded = false;
  const admit = async (wish: number): Promise<void> => {
    wishes.push(wish);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isDecoded).toBe(false);
  };
  await decodePhoto(bytes, { ...options, admit });
  isDecoded = true;
  return wishes;
}

it('asks once for three bytes a pixel, before any pixel is decoded', async () => {
  expect(await asked(await jpeg(640, 480), { settings: EXACT })).toEqual([640 * 480 * 3]);
});

it('asks for what is left of a photo that is shrunk while it is decoded', async () => {
  const need = [{ width: 224, height: 224, mode: 'shortest' }] as const;
  expect(await asked(await jpeg(4000, 3000), { settings: FAST, need })).toEqual([746 * 560 * 3]);
});

it('asks for all pixels, too, at once where they may be wanted later', async () => {
  const need = [{ width: 640, height: 640, mode: 'inside', orFull: true }] as const;
  const both = (1280 * 960 + 4000 * 3000) * 3;
  expect(await asked(await jpeg(4000, 3000), { settings: FAST, need })).toEqual([both]);
  expect(await asked(await jpeg(3000, 2000), { settings: FAST, need })).toEqual([3000 * 2000 * 3]);
});

it.each([
  ['exif_6.jpg', 2 * 3, 'is turned'],
  ['cmyk.jpg', 4 + 3, 'is converted from CMYK'],
])('asks for a copy more where %s (%i bytes a pixel) %s', async (name, bytesPerPixel) => {
  const bytes = readPicture(name);
  const { width, height } = await sharp(bytes).metadata();
  expect(await asked(bytes, { settings: EXACT })).toEqual([width * height * bytesPerPixel]);
});

it('asks for nothing where a picture is too large or none at all', async () => {
  const wishes: number[] = [];
  const admit = (wish: number): Promise<void> => Promise.resolve(void wishes.push(wish));
  const settings = { ...EXACT, maxPixels: 100 };
  await expect(decodePhoto(await jpeg(20, 20), { settings, admit })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  await expect(decodePhoto(Buffer.from('text'), { settings, admit })).rejects.toThrow();
  expect(wishes).toEqual([]);
});
