import { describe, expect, it } from 'vitest';
import { centredPlanes, rawPlanes, writePlanes } from '../../../src/tasks/image/planes.js';
import { KERNELS } from '../../support/kernels.js';
import { noise } from '../../support/noise.js';

describe.each(KERNELS)('planes in %s', (_, kernel) => {
  const pixels = Uint8Array.of(0, 100, 255, 10, 20, 30);

  it('are centred RGB for SCRFD and ArcFace', () => {
    const tensor = new Float32Array(7);
    writePlanes(tensor, 1, pixels, centredPlanes(128), kernel);
    const expected = [0, 0, 10, 100, 20, 255, 30].map((value, i) => (i === 0 ? 0 : (value - 127.5) / 128));
    expect([...tensor]).toEqual([...Float32Array.from(expected)]);
  });

  it('are the bytes as they are for YuNet, blue first', () => {
    const tensor = new Float32Array(6);
    writePlanes(tensor, 0, pixels, rawPlanes('bgr'), kernel);
    expect([...tensor]).toEqual([255, 30, 100, 20, 0, 10]);
  });

  it.each([
    ['one pixel', 1],
    ['a number of pixels that nothing divides', 2 * 2048 + 3],
    ['a face', 112 * 112],
  ])('have the nearest float32 of every quotient and nothing beyond, for %s', (_name, count) => {
    const { data } = noise(count, 1);
    const tensor = new Float32Array(3 * count + 2).fill(9);
    writePlanes(tensor, 1, data, centredPlanes(127.5), kernel);
    const expected = tensor.map((_value, i) => {
      if (i === 0 || i > 3 * count) return 9;
      const [channel, place] = [Math.floor((i - 1) / count), (i - 1) % count];
      return ((data[place * 3 + channel] ?? NaN) - 127.5) / 127.5;
    });
    expect(Buffer.compare(Buffer.from(tensor.buffer), Buffer.from(expected.buffer))).toBe(0);
  });
});
