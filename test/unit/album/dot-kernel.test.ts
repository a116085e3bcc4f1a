import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KERNEL_SOURCE_SHA256 } from '../../../src/album/dot-kernel-binary.js';
import {
  createDotKernel,
  createScalarDotKernel,
  createSimdDotKernel,
  type DotKernel,
} from '../../../src/album/dot-kernel.js';
import { FixedRows } from '../../../src/album/fixed-rows.js';

const KERNELS = [
  ['WebAssembly SIMD', createSimdDotKernel()!],
  ['plain JavaScript', createScalarDotKernel()],
] as const;

/** Rows, columns and registers per row, and a seed for the values. */
const anyShape = fc.record({
  rows: fc.integer({ min: 1, max: 4 }).map((four) => 4 * four),
  columns: fc.integer({ min: 1, max: 5 }).map((two) => 2 * two),
  registers: fc.integer({ min: 1, max: 9 }),
  seed: fc.nat(),
});

describe.each(KERNELS)('products of rows in %s', (_, kernel) => {
  it('equal a literal reading for any shape', () => {
    fc.assert(
      fc.property(anyShape, ({ rows, columns, registers, seed }) => {
        const length = 8 * registers;
        const words = new Int16Array(kernel.reserve(4 * (rows + columns) * length + 4 * rows * columns));
        for (let i = 0; i < (rows + columns) * length; i++) words[i] = (((seed + i) * 7919) % 3001) - 1500;
        const expected = Array.from({ length: rows * columns }, (__, place) => {
          const [x, y] = [Math.floor(place / columns) * length, (rows + (place % columns)) * length];
          return words.subarray(x, x + length).reduce((sum, value, k) => sum + value * words[y + k]!, 0);
        });
        expect(multiply(kernel, rows, columns, length)).toEqual(expected);
      }),
      { seed: 20_262, numRuns: 100 },
    );
  });

  it('holds the product of the longest rows', () => {
    const words = new Int16Array(kernel.reserve(4096));
    words.fill(0);
    for (let row = 0; row < 6; row++) words[row * 8 + 3] = -32_767;
    expect(multiply(kernel, 4, 2, 8)).toEqual(Array.from({ length: 8 }, () => 32_767 ** 2));
  });
});

describe('the kernel', () => {
  it('is the WebAssembly one on this machine', () => {
    expect(createDotKernel().dots.toString()).toContain('native code');
  });

  it('was compiled from the kernel.as that is in the tree', () => {
    const source = readFileSync(new URL('../../../tools/dot-kernel/kernel.as', import.meta.url));
    expect(createHash('sha256').update(source).digest('hex')).toBe(KERNEL_SOURCE_SHA256);
  });
});

describe.each([5, 70, 150])('of %i rows', (count) => {
  const dim = 13;
  const rows = new FixedRows(count, dim);
  const vectors = Array.from({ length: count }, (_, i) => {
    const vector = Float32Array.from({ length: dim }, (__, k) => Math.sin(1 + i * 31 + k * 7 + i * k));
    return vector.map((value) => value / Math.hypot(...vector));
  });
  for (const [i, vector] of vectors.entries()) rows.setVector(i, vector, 1);
  const similarity = (i: number, j: number): number =>
    vectors[i]!.reduce((sum, value, k) => sum + value * vectors[j]![k]!, 0);

  it('the nearest are found, with the similarity of those that are missing', async () => {
    const lists = await rows.nearest(count, 0.2 * rows.unit, 3);
    for (let i = 0; i < count; i++) {
      const others = vectors
        .map((_, j) => ({ j, value: similarity(i, j) }))
        .filter(({ j, value }) => j !== i && value >= 0.2)
        .sort((a, b) => b.value - a.value);
      const found = Array.from({ length: lists.count(i) }, (_, place) => lists.id(i, place));
      expect(new Set(found)).toEqual(new Set(others.slice(0, 3).map(({ j }) => j)));
      const ceiling = lists.ceilingOfMissing(i) / rows.unit;
      if (others.length <= 3) expect(ceiling).toBe(-Infinity);
      else expect(Math.abs(ceiling - others[2]!.value)).toBeLessThan(1e-4);
    }
  });

  it('the first that is similar enough is found, from any place on', () => {
    const asked = count - 1;
    for (const from of [0, 1, 3, Math.floor(count / 2), count - 2]) {
      const expected = vectors.findIndex((_, j) => j >= from && j < asked && similarity(asked, j) >= 0.4);
      expect(rows.findSimilar(asked, from, asked, 0.4 * rows.unit)).toBe(expected < 0 ? undefined : expected);
    }
  });

  it('products are within the stated error', () => {
    for (let i = 1; i < count; i++) {
      const product = rows.row(0).reduce((sum, value, k) => sum + value * rows.row(i)[k]!, 0);
      expect(Math.abs(product - similarity(0, i) * rows.unit)).toBeLessThan(rows.maxError);
    }
  });
});

/** The first rows of the kernel's memory with those behind them; the products come last. */
function multiply(kernel: DotKernel, rows: number, columns: number, length: number): number[] {
  const out = Math.ceil((2 * (rows + columns) * length) / 4) * 4;
  const memory = kernel.reserve(out + 4 * rows * columns);
  kernel.dots(0, 2 * rows * length, rows, columns, 2 * length, out);
  return [...new Int32Array(memory, out, rows * columns)];
}
