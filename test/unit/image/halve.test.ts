import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halvePhoto, halvePixels } from '../../../src/tasks/image/halve.js';
import type { Pixels } from '../../../src/tasks/image/resample.js';
import { KERNELS } from '../../support/kernels.js';
import { noise } from '../../support/pictures.js';

describe.each(KERNELS)('halving in %s', (_, kernel) => {
  it('is the rounded mean of each two by two, again and again, for any size', () => {
    const anyPicture = fc.record({
      width: fc.integer({ min: 8, max: 70 }),
      height: fc.integer({ min: 8, max: 40 }),
      seed: fc.integer({ min: 1, max: 1000 }),
      times: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(anyPicture, ({ width, height, seed, times }) => {
        const source = noise(width, height, seed);
        let expected: Pixels = source;
        for (let i = 0; i < times; i++) expected = literalHalf(expected);
        expect(halvePixels(source, times, kernel)).toEqual(expected);
      }),
      { seed: 20_260, numRuns: 300 },
    );
  });
});

it('a halved photo says which part of the original it shows', () => {
  const source = { ...noise(47, 21, 1), originalWidth: 47, originalHeight: 21 };
  const { width, height, region, originalWidth, originalHeight } = halvePhoto(source, 2);
  expect({ width, height, originalWidth, originalHeight }).toEqual({
    width: 11,
    height: 5,
    originalWidth: 47,
    originalHeight: 21,
  });
  expect(region).toEqual({ left: 0, top: 0, width: 44, height: 20 });
});

function literalHalf({ width, height, data }: Pixels): Pixels {
  const half = { width: width >> 1, height: height >> 1 };
  const pixels = new Uint8Array(half.width * half.height * 3);
  const at = (x: number, y: number, channel: number): number => data[(y * width + x) * 3 + channel] ?? NaN;
  for (let y = 0; y < half.height; y++) {
    for (let x = 0; x < half.width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const corners = [at(2 * x, 2 * y, channel), at(2 * x + 1, 2 * y, channel)];
        corners.push(at(2 * x, 2 * y + 1, channel), at(2 * x + 1, 2 * y + 1, channel));
        const mean = corners.reduce((sum, value) => sum + value, 0) / 4;
        pixels[(y * half.width + x) * 3 + channel] = Math.floor(mean + 0.5);
      }
    }
  }
  return { ...half, data: pixels };
}
