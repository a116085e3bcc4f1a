import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Interpolation } from '../../../src/model.js';
import { KERNEL_SOURCE_SHA256 } from '../../../src/tasks/image/resample-kernel-binary.js';
import { resample, type Pixels, type ResamplePlan } from '../../../src/tasks/image/resample.js';
import { createKernel, createSimdKernel } from '../../../src/tasks/image/thread-kernel.js';
import { KERNELS } from '../../support/kernels.js';
import { noise, readJson, sha256 } from '../../support/pictures.js';

interface GoldenCase {
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly interpolation: Interpolation;
  readonly resized: readonly [number, number];
  readonly crop: readonly [number, number, number, number];
  readonly sha256: string;
  readonly cropSha256: string;
}

const { resampled } = readJson('golden/pillow.json') as { resampled: readonly GoldenCase[] };

function wholePlan(source: Pixels, width: number, height: number, interpolation: Interpolation): ResamplePlan {
  const box = { left: 0, top: 0, width: source.width, height: source.height };
  return { box, width, height, left: 0, top: 0, columns: width, rows: height, interpolation };
}

describe.each(KERNELS)('resampling in %s', (_, kernel) => {
  it.each(resampled)('$interpolation of $width x $height to $resized gives the bytes of Pillow', (golden) => {
    const source = noise(golden.width, golden.height, golden.seed);
    const plan = wholePlan(source, ...golden.resized, golden.interpolation);
    expect(sha256(resample(source, plan, kernel))).toBe(golden.sha256);
    const [left, top, columns, rows] = golden.crop;
    expect(sha256(resample(source, { ...plan, left, top, columns, rows }, kernel))).toBe(golden.cropSha256);
  });

  it('equals a literal reading of the algorithm for any size, crop and box', () => {
    fc.assert(
      fc.property(anyJob, ({ source, plan }) => {
        expect(resample(source, plan, kernel)).toEqual(literalResample(source, plan));
      }),
      { seed: 20_260, numRuns: 400 },
    );
  });
});

describe('the kernel', () => {
  it('is the WebAssembly one on this machine', () => {
    expect(createSimdKernel()).toBeDefined();
    expect(createKernel().horizontal.toString()).toContain('native code');
  });

  it('was compiled from the kernel.as that is in the tree', () => {
    const source = readFileSync(new URL('../../../tools/resample-kernel/kernel.as', import.meta.url));
    expect(createHash('sha256').update(source).digest('hex')).toBe(KERNEL_SOURCE_SHA256);
  });

  it.each([
    [30_000, 1],
    [1, 30_000],
    [65_535, 1],
    [1, 65_535],
  ])('needs a few megabytes for a picture of %i x %i, squashed or cut', (width, height) => {
    const kernel = createSimdKernel()!;
    const source = noise(width, height, 1);
    const squash = wholePlan(source, 224, 224, 'bicubic');
    expect(resample(source, squash, kernel)).toHaveLength(224 * 224 * 3);
    const long = 224 * Math.max(width, height);
    const cut = {
      ...squash,
      width: width > height ? long : 224,
      height: width > height ? 224 : long,
      left: width > height ? (long - 224) / 2 : 0,
      top: width > height ? 0 : (long - 224) / 2,
    };
    expect(resample(source, cut, kernel)).toHaveLength(224 * 224 * 3);
    expect(kernel.reserve(0).byteLength).toBeLessThan(4 * 1024 * 1024);
  });
});

const anyJob = fc
  .record({
    width: fc.integer({ min: 1, max: 70 }),
    height: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(),
    resizedWidth: fc.integer({ min: 1, max: 60 }),
    resizedHeight: fc.integer({ min: 1, max: 60 }),
    cut: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
    overhang: fc.tuple(...Array.from({ length: 4 }, () => fc.double({ min: 0, max: 0.9, noNaN: true }))),
    isBoxed: fc.boolean(),
    interpolation: fc.constantFrom('bilinear', 'bicubic', 'lanczos'),
  })
  .map(({ width, height, seed, resizedWidth, resizedHeight, cut, overhang, isBoxed, interpolation }) => {
    const left = cut[0] % resizedWidth;
    const top = cut[1] % resizedHeight;
    const [before, above, after, below] = isBoxed && width > 4 && height > 4 ? overhang : [0, 0, 0, 0];
    const plan: ResamplePlan = {
      box: { left: -before!, top: -above!, width: width + before! + after!, height: height + above! + below! },
      width: resizedWidth,
      height: resizedHeight,
      left,
      top,
      columns: 1 + (cut[2] % (resizedWidth - left)),
      rows: 1 + (cut[3] % (resizedHeight - top)),
      interpolation: interpolation,
    };
    return { source: noise(width, height, seed), plan };
  });

/** Everything at once, nothing clever: both passes over whole pictures in doubles that hold integers, then the crop. */
function literalResample(source: Pixels, plan: ResamplePlan): Uint8Array {
  const { box, width, height } = plan;
  const across = (picture: Pixels): Pixels => {
    const weights = literalWeights(picture.width, box.left, box.width, width, plan.interpolation);
    return mapPixels(width, picture.height, (x, y, channel) =>
      weights[x]!.reduce((sum, weight, i) => sum + weight * picture.data[(y * picture.width + i) * 3 + channel]!, 0),
    );
  };
  const down = (picture: Pixels): Pixels => {
    const weights = literalWeights(picture.height, box.top, box.height, height, plan.interpolation);
    return mapPixels(picture.width, height, (x, y, channel) =>
      weights[y]!.reduce((sum, weight, i) => sum + weight * picture.data[(i * picture.width + x) * 3 + channel]!, 0),
    );
  };
  const lost = source.height - height;
  const whole = lost > 0 && lost > 2 * (source.width - width) ? across(down(source)) : down(across(source));
  return mapPixels(plan.columns, plan.rows, (x, y, channel) => {
    const value = whole.data[((plan.top + y) * width + plan.left + x) * 3 + channel]!;
    return value * 2 ** 22;
  }).data;
}

function mapPixels(width: number, height: number, sumOf: (x: number, y: number, channel: number) => number): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = Math.floor((sumOf(x, y, channel) + 2 ** 21) / 2 ** 22);
        data[(y * width + x) * 3 + channel] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return { width, height, data };
}

/** For each target pixel one weight per source pixel, most of them 0. */
function literalWeights(
  length: number,
  start: number,
  stretch: number,
  target: number,
  filter: Interpolation,
): number[][] {
  const scale = stretch / target;
  const wide = Math.max(1, scale);
  const support = { nearest: 0, bilinear: 1, bicubic: 2, lanczos: 3 }[filter] * wide;
  return Array.from({ length: target }, (_, i) => {
    const centre = start + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(length, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length }, (_unused, x) =>
      x < from || x >= to ? 0 : literalFilter((x - centre + 0.5) * (1 / wide), filter),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return raw.map(
      (weight) => Math.sign(weight) * Math.floor(Math.abs((weight / sum) * 2 ** 22) + 0.5) * Math.sign(sum),
    );
  });
}

function literalFilter(distance: number, filter: Interpolation): number {
  const x = Math.abs(distance);
  if (filter === 'bilinear') return x < 1 ? 1 - x : 0;
  if (filter === 'bicubic') {
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  }
  if (x === 0) return 1;
  return x < 3 ? (Math.sin(x * Math.PI) / (x * Math.PI)) * (Math.sin((x / 3) * Math.PI) / ((x / 3) * Math.PI)) : 0;
}
