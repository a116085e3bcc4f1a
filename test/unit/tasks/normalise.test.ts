import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { normalise } from '../../../src/tasks/normalise.js';

const tensor = (rows: number[][]) => ({
  type: 'float32',
  data: Float32Array.from(rows.flat()),
  dims: [rows.length, rows[0]?.length ?? 0],
});

describe('normalise', () => {
  it('gives a row as a unit vector and leaves the tensor as it is', () => {
    const given = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(normalise(given, 1)).toEqual(Float32Array.of(0.6, 0.8));
    expect([...given.data]).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['NaN', [NaN, 1]],
    ['infinity', [Infinity, 1]],
    ['zeros', [0, 0]],
  ])('refuses %s', (_, row) => {
    expect(normalise(tensor([row]), 0)).toMatchObject({ code: 'RUN_BAD_OUTPUT' });
  });

  it('refuses a row that is not there', () => {
    expect(normalise(tensor([[1, 2]]), 1)).toBeInstanceOf(RunnerError);
  });

  it('has length 1 for any finite direction, however large or small', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), (row) => {
        const vector = normalise(tensor([row]), 0);
        if (vector instanceof RunnerError) expect(row.every((x) => Math.abs(x) < 1e-20)).toBe(true);
        else expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      }),
    );
  });
});
