import { describe, expect, it } from 'vitest';
import { decodeAnswers, type GridAnswer } from '../../../src/tasks/face/anchors.js';
import type { Detection } from '../../../src/tasks/face/detection.js';
import { suppressOverlaps } from '../../../src/tasks/face/non-maximum.js';
import { scrfdDecoder } from '../../../src/tasks/face/scrfd.js';
import { yunetDecoder } from '../../../src/tasks/face/yunet.js';

/** An answer of one stride with one entry that is not empty. */
function answerWith(entry: number, count: number, part: Partial<Record<keyof GridAnswer, number[]>>, rest: object) {
  const place = (values: number[] | undefined, width: number): Float32Array => {
    const array = new Float32Array(count * width);
    array.set(values ?? [], entry * width);
    return array;
  };
  return {
    scores: place(part.scores, 1),
    objectness: place(part.objectness, 1),
    boxes: place(part.boxes, 4),
    points: place(part.points, 10),
    ...rest,
  } as GridAnswer;
}

const OFFSETS = [0, 0.5, 1, -0.5, 2, 1, -1, 1.5, 0.25, 3];

describe('decodeAnswers', () => {
  it('reads SCRFD: distances in strides from the corner of the cell, two anchors a cell', () => {
    // Stride 16, a grid of 5 x 5: entry 27 is the second anchor of cell 13, which is row 2, column 3.
    const answer = answerWith(
      27,
      50,
      { scores: [0.75], boxes: [1, 0.5, 2, 3], points: OFFSETS },
      { stride: 16, columns: 5, anchors: 2 },
    );
    expect(decodeAnswers([answer], scrfdDecoder, 0.5)).toEqual([
      {
        box: { x1: 48 - 16, y1: 32 - 8, x2: 48 + 32, y2: 32 + 48 },
        score: 0.75,
        landmarks: [
          [48, 40],
          [64, 24],
          [80, 48],
          [32, 56],
          [52, 80],
        ],
      },
    ]);
  });

  it('reads YuNet: centre and logarithms of the sides, and the geometric mean of two clamped scores', () => {
    const part = { scores: [1.7], objectness: [0.25], boxes: [0.5, 0.25, Math.log(2), 0], points: OFFSETS };
    // Stride 32, a grid of 4 x 4: entry 6 is row 1, column 2.
    const [face] = decodeAnswers([answerWith(6, 16, part, { stride: 32, columns: 4, anchors: 1 })], yunetDecoder, 0.4);
    expect(face?.score).toBeCloseTo(0.5, 6);
    expect(face?.box.x1).toBeCloseTo(80 - 32, 4);
    expect(face?.box.x2).toBeCloseTo(80 + 32, 4);
    expect(face?.box.y1).toBeCloseTo(40 - 16, 4);
    expect(face?.box.y2).toBeCloseTo(40 + 16, 4);
    expect(face?.landmarks[0]).toEqual([64, 48]);
  });

  it('takes a score that is just the threshold, and none below', () => {
    const answer = answerWith(3, 8, { scores: [0.5] }, { stride: 32, columns: 2, anchors: 2 });
    expect(decodeAnswers([answer], scrfdDecoder, 0.5)).toHaveLength(1);
    expect(decodeAnswers([answer], scrfdDecoder, 0.5000001)).toHaveLength(0);
  });

  it.each([
    ['scores', { scores: [NaN] }],
    ['boxes', { scores: [0.9], boxes: [0, 0, Infinity, 0] }],
    ['points', { scores: [0.9], points: [NaN] }],
  ])('refuses %s that are not finite, rather than losing faces', (_, part) => {
    const answer = answerWith(1, 8, part, { stride: 32, columns: 2, anchors: 2 });
    expect(() => decodeAnswers([answer], scrfdDecoder, 0.5)).toThrow(
      expect.objectContaining({ code: 'RUN_BAD_OUTPUT' }),
    );
  });
});

describe('suppressOverlaps', () => {
  const box = (x1: number, y1: number, x2: number, y2: number, score: number): Detection => ({
    box: { x1, y1, x2, y2 },
    score,
    landmarks: [],
  });

  it('keeps the best of those that overlap, best first', () => {
    const [low, high, apart] = [box(0, 0, 9, 9, 0.6), box(1, 0, 10, 9, 0.9), box(50, 50, 59, 59, 0.7)];
    expect(suppressOverlaps([low, high, apart], 0.4)).toEqual([high, apart]);
  });

  it('counts sides one pixel longer than their difference', () => {
    // 10 x 10 pixels each, 4 columns shared: 40 / 160 = 0.25 with the extra pixel, 27 / 135 = 0.2 without.
    const pair = [box(0, 0, 9, 9, 0.9), box(6, 0, 15, 9, 0.8)];
    expect(suppressOverlaps(pair, 0.25)).toHaveLength(2);
    expect(suppressOverlaps(pair, 0.24)).toHaveLength(1);
  });

  it('lets what was suppressed suppress nothing', () => {
    // The second goes by the first; the third overlaps the second only.
    const chain = [box(0, 0, 9, 9, 0.9), box(3, 0, 12, 9, 0.8), box(7, 0, 16, 9, 0.7)];
    expect(suppressOverlaps(chain, 0.4).map(({ score }) => score)).toEqual([0.9, 0.7]);
  });
});
