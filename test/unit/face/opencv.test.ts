import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resizeBilinear } from '../../../src/tasks/image/resize-bilinear.js';
import type { Similarity } from '../../../src/tasks/face/similarity.js';
import { warpSimilarity } from '../../../src/tasks/face/warp.js';
import { KERNELS } from '../../support/kernels.js';
import { noise } from '../../support/noise.js';
import { FIXTURES } from '../../support/pictures.js';

interface Golden {
  readonly resize: readonly { from: [number, number]; to: [number, number]; sha256: string }[];
  readonly warp: readonly { size: [number, number]; similarity: Similarity; sha256: string }[];
}

const golden = JSON.parse(readFileSync(path.join(FIXTURES, 'golden', 'opencv.json'), 'utf8')) as Golden;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(KERNELS)('resizeBilinear in %s', (_, kernel) => {
  it.each(golden.resize)('makes of $from pixels the $to that OpenCV makes', ({ from, to, sha256: expected }) => {
    const [width, height] = to;
    const data = new Uint8Array(width * height * 3);
    resizeBilinear(noise(...from), { width, height, data, rowBytes: width * 3 }, kernel);
    expect(sha256(data)).toBe(expected);
  });

  it('leaves the rest of longer rows alone', () => {
    const data = new Uint8Array(5 * 4 * 3).fill(9);
    resizeBilinear(noise(8, 6), { width: 2, height: 3, data, rowBytes: 5 * 3 }, kernel);
    const outside = [...data].filter((_, i) => i % 15 >= 6 || i >= 45);
    expect(outside).toHaveLength(60 - 18);
    expect(new Set(outside)).toEqual(new Set([9]));
  });
});

describe('warpSimilarity', () => {
  it.each(golden.warp)(
    'of $size pixels by $similarity is what OpenCV makes',
    ({ size, similarity, sha256: expected }) => {
      expect(sha256(warpSimilarity(noise(...size), similarity, 112))).toBe(expected);
    },
  );
});
