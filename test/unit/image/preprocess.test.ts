import { describe, expect, it } from 'vitest';
import type { ImagePreprocess } from '../../../src/model.js';
import { frameOf } from '../../../src/tasks/image/geometry.js';
import { pixelNeedOf } from '../../../src/tasks/image/preprocess.js';
import type { Photo } from '../../../src/tasks/task.js';
import { noise, PREPROCESS, toTensor } from '../../support/pictures.js';

const CLIP = PREPROCESS['clip-tiny'];

function photoOf(width: number, height: number, seed = 1): Photo {
  return { ...noise(width, height, seed), originalWidth: width, originalHeight: height };
}

describe('frameOf', () => {
  it('truncates the longer side and rounds the crop offsets down', () => {
    expect(frameOf(4000, 3000, CLIP)).toMatchObject({ width: 298, height: 224, left: 37, top: 0, columns: 224 });
    expect(frameOf(301, 640, CLIP)).toMatchObject({ width: 224, height: 476, left: 0, top: 126 });
    expect(frameOf(225, 223, CLIP)).toMatchObject({ width: 226, height: 224, left: 1 });
  });

  it('takes the width for the shorter side of a square', () => {
    expect(frameOf(512, 512, CLIP)).toMatchObject({ width: 224, height: 224, left: 0, top: 0 });
  });

  it('squashes whatever the shape', () => {
    expect(frameOf(2000, 20, PREPROCESS['siglip-tiny'])).toMatchObject({ width: 224, height: 224, left: 0, top: 0 });
  });

  it('pads in the middle where the crop is larger than the resized picture', () => {
    const frame = frameOf(300, 200, { mode: 'shortest', size: 100, crop: { width: 201, height: 201 } });
    expect(frame).toMatchObject({ width: 150, height: 100, columns: 150, rows: 100, padLeft: 26, padTop: 51 });
  });
});

describe('toTensor', () => {
  it('is channels first: red, green and blue of a grey-free picture lie in their own planes', () => {
    const photo: Photo = { ...photoOf(1, 1), data: Uint8Array.of(255, 0, 128) };
    const tensor = toTensor(photo, { ...PREPROCESS['siglip-tiny'], crop: { width: 2, height: 3 } });
    expect([...tensor.subarray(0, 6)]).toEqual(new Array(6).fill(1));
    expect([...tensor.subarray(6, 12)]).toEqual(new Array(6).fill(-1));
    expect(tensor[12]).toBeCloseTo(0.00392, 4);
  });

  it('pads with black pixels, which the normalisation then makes what they are', () => {
    const preprocess: ImagePreprocess = { ...CLIP, size: 10, crop: { width: 14, height: 14 } };
    const tensor = toTensor({ ...photoOf(20, 20), data: new Uint8Array(1200).fill(255) }, preprocess);
    const black = -0.48145466 / 0.26862954;
    expect(tensor[0]).toBeCloseTo(black, 5);
    expect(tensor[14 * 7 + 1]).toBeCloseTo(black, 5);
    expect(tensor[14 * 7 + 2]).toBeCloseTo((1 - 0.48145466) / 0.26862954, 5);
  });

  it.each([
    ['black', 0],
    ['white', 255],
  ])('is finite for a picture that is all %s', (_, value) => {
    const tensor = toTensor({ ...photoOf(300, 300), data: new Uint8Array(270_000).fill(value) }, CLIP);
    expect(tensor.every(Number.isFinite)).toBe(true);
    expect(new Set(tensor.subarray(0, 224 * 224)).size).toBe(1);
  });

  it('gives the same tensor twice, whatever was made in between', () => {
    const first = toTensor(photoOf(500, 400), CLIP);
    toTensor(photoOf(7, 1000, 2), PREPROCESS['blip-tiny']);
    toTensor(photoOf(3000, 20, 3), CLIP);
    expect(toTensor(photoOf(500, 400), CLIP)).toEqual(first);
  });
});

describe('pixelNeedOf', () => {
  it('is the size for a shortest side, and the crop where the picture is squashed', () => {
    expect(pixelNeedOf({ ...CLIP, size: 256 })).toEqual({ width: 256, height: 256, mode: 'shortest' });
    expect(pixelNeedOf({ ...PREPROCESS['siglip-tiny'], crop: { width: 384, height: 192 } })).toEqual({
      width: 384,
      height: 192,
      mode: 'squash',
    });
  });
});
