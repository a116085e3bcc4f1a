import { describe, expect, it } from 'vitest';
import { fromFloat16Bits, toFloat16Bits } from '../../../src/tasks/float16.js';

describe('float16', () => {
  it('reads back every one of the 65536 values that it wrote', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const values = fromFloat16Bits(all);
    const written = toFloat16Bits(values);
    for (const bits of all) {
      if (Number.isNaN(values[bits]))
        expect(Number.isNaN(fromFloat16Bits(written.slice(bits, bits + 1))[0])).toBe(true);
      else expect(written[bits]).toBe(bits);
    }
  });

  it.each([
    [1 + 2 ** -11, 0x3c00, 'a tie goes to the even neighbour below'],
    [1 + 3 * 2 ** -11, 0x3c02, 'a tie goes to the even neighbour above'],
    [65519.99, 0x7bff, 'the largest finite value'],
    [65520, 0x7c00, 'beyond it is infinity'],
    [2 ** -25, 0x0000, 'half the smallest value is zero (even)'],
    [2 ** -25 * 1.001, 0x0001, 'a little more is the smallest'],
    [-0, 0x8000, 'the sign of zero stays'],
  ])('writes %d as %d: %s', (value, bits) => {
    expect(toFloat16Bits(Float32Array.of(value))[0]).toBe(bits);
  });
});
