import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faceTask } from '../../../src/tasks/face.js';
import type { Face } from '../../../src/tasks/face/face.js';
import { photoJobType } from '../../../src/photo-job.js';

const UNIT = { task: 'face', label: 'arcface-buffalo_l', device: 'cpu', maxBatch: 8 } as const;
const JOB = photoJobType.parse('{"photo_id":1,"user_id":1,"path":"x.jpg","tasks":["face"]}');

/** A face with this vector, with numbers of many digits wherever one can be. */
function faceWith(embedding: Float32Array): Face {
  const quality = { score: 1 / 3, size: 100 / 3, sharpness: 1000 / 3, yaw: -1 / 3, pitch: 2 / 3, roll: -100 / 3 };
  const box = { x1: 1000 / 3, y1: 2000 / 3, x2: 4000 / 3, y2: 5000 / 3 };
  const landmarks = Array.from({ length: 5 }, () => [1000 / 3, 2000 / 3] as const);
  return { box, score: 1 / 3, landmarks, quality, embedding };
}

/** The body of the callback, as it is sent. */
function bodyOf(vectors: readonly Float32Array[], isExtended = false): string {
  const value = { faces: vectors.map(faceWith), dropped: 0, isExtended };
  return JSON.stringify(faceTask.deliver(value, JOB, UNIT)[0]?.body);
}

function vectorOf(body: string): number[] {
  const { faces } = JSON.parse(body) as { faces: { embedding: number[] }[] };
  return faces[0]?.embedding ?? [];
}

const unitVector = (seed: number): Float32Array => {
  const values = Array.from({ length: 512 }, (_, place) => Math.sin((seed + 1) * 7919 + place * 104_729));
  const length = Math.hypot(...values);
  return Float32Array.from(values, (value) => value / length);
};

describe('the callback of faces', () => {
  it('gives back every 32-bit number as the model gave it', () => {
    const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(anyFloat, { minLength: 1, maxLength: 512 }), (values) => {
        const sent = vectorOf(bodyOf([Float32Array.from(values)]));
        // JSON knows no -0; it equals 0.
        expect(sent.map((value) => Math.fround(value) + 0)).toEqual(values.map((value) => value + 0));
      }),
    );
  });

  it('also the extreme ones', () => {
    const extremes = Float32Array.of(
      ...[0, 1, -1, 1 + 2 ** -23, 1 - 2 ** -24, 2 ** -149, -(2 ** -149), 2 ** -126, 2 ** -126 - 2 ** -149],
      ...[3.4028234663852886e38, -3.4028234663852886e38, 0.1, 1 / 3, 16_777_215, 8_388_609.5, 123_456_789],
    );
    const body = bodyOf([extremes]);
    expect(Float32Array.from(vectorOf(body))).toEqual(extremes);
    for (const number of /"embedding":\[([^\]]*)\]/.exec(body)?.[1]?.split(',') ?? []) {
      const digits = number.replace(/e.*/, '').replace(/\D/g, '').replace(/^0+/, '');
      // Beyond 2^53 JSON pads with zeros.
      expect(digits.replace(/0+$/, '').length, number).toBeLessThanOrEqual(9);
    }
  });

  it('stays well below 2 MiB with 200 faces, which servers allow', () => {
    const vectors = Array.from({ length: 200 }, (_, seed) => unitVector(seed));
    expect(bodyOf(vectors, true).length).toBeLessThan(1.6 * 2 ** 20);
  });
});
