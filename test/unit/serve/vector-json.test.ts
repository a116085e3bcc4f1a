import fc from 'fast-check';
import { expect, it } from 'vitest';
import { vectorJson } from '../../../src/serve/vector-json.js';

it('is JSON that gives back every 32-bit number exactly', () => {
  const numbers = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 50 });
  const check = (vector: Float32Array): void => {
    const parsed = Float32Array.from(JSON.parse(vectorJson(vector)) as number[]);
    // Zero has a sign that a vector does not need.
    expect(Array.from(parsed, (value) => value + 0)).toEqual(Array.from(vector, (value) => value + 0));
  };
  fc.assert(fc.property(numbers, check), { seed: 1, numRuns: 500 });
  check(Float32Array.of(1, -1, 0, -0, 1e-45, 3.4028234e38, -1.17549435e-38, 0.1, 1 / 3, 16_777_217));
});
