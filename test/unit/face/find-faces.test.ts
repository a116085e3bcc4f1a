import { describe, expect, it } from 'vitest';
import type { Detection } from '../../../src/tasks/face/detection.js';
import { findFaces } from '../../../src/tasks/face/find-faces.js';
import type { Point } from '../../../src/tasks/image/point.js';
import type { Photo } from '../../../src/tasks/task.js';

const SIDE = 64;

function photo(width: number, height: number, marks: readonly Point[] = []): Photo {
  const data = new Uint8Array(width * height * 3);
  for (const [x, y] of marks) data[(y * width + x) * 3] = 255;
  return { width, height, data, originalWidth: width, originalHeight: height };
}

const face = (x1: number, y1: number, x2: number, y2: number, score = 0.9): Detection => ({
  box: { x1, y1, x2, y2 },
  score,
  landmarks: [[x1, y1]],
});

/** A detector that says what the squares looked like: where their first red pixel is. */
function watch(answers: readonly (readonly Detection[])[]) {
  const seen: (Point | undefined)[] = [];
  const detect = (square: Uint8Array): Promise<readonly Detection[]> => {
    const at = square.findIndex((value, i) => i % 3 === 0 && value > 0);
    seen.push(at < 0 ? undefined : [(at / 3) % SIDE, Math.floor(at / 3 / SIDE)]);
    return Promise.resolve(answers[seen.length - 1] ?? []);
  };
  return { seen, detect };
}

describe('findFaces', () => {
  it('answers in pixels of the photo, with overlaps suppressed there', async () => {
    const { seen, detect } = watch([[face(8, 4, 16, 12, 0.6), face(8.1, 4, 16, 12, 0.8)]]);
    const found = await findFaces(photo(128, 96), { side: SIDE, maxOverlap: 0.4, ladder: false, detect });
    expect(found).toEqual([{ box: { x1: 16.2, y1: 8, x2: 32, y2: 24 }, score: 0.8, landmarks: [[16.2, 8]] }]);
    expect(seen).toHaveLength(1);
  });

  it('answers in pixels of the original where the decoder shrank the photo and left out some columns and rows', async () => {
    const { detect } = watch([[face(8, 4, 16, 12)]]);
    const region = { left: 4, top: 2, width: 512, height: 384 };
    const shrunk = { ...photo(128, 96), originalWidth: 516, originalHeight: 386, region };
    const [found] = await findFaces(shrunk, { side: SIDE, maxOverlap: 0.4, ladder: false, detect });
    expect(found?.box).toEqual({ x1: 4 + 64, y1: 2 + 32, x2: 4 + 128, y2: 2 + 96 });
    expect(found?.landmarks).toEqual([[68, 34]]);
  });

  it('takes nothing for a face that lies in the black beside the photo, also when it looks for faces again', async () => {
    // 64 x 32 of the square are the photo: below lies nothing. The last one touches it.
    const beside = [face(8, 40, 16, 48), face(70, 4, 78, 12, 0.8), face(20, 32, 28, 40, 0.7)];
    const inside = face(8, 28, 16, 36, 0.6);
    const one = watch([[...beside, inside]]);
    const settings = { side: SIDE, maxOverlap: 0.4, detect: one.detect };
    expect(await findFaces(photo(128, 64), { ...settings, ladder: false })).toEqual([
      { box: { x1: 16, y1: 56, x2: 32, y2: 72 }, score: 0.6, landmarks: [[16, 56]] },
    ]);
    const again = watch([beside, [face(4, 40, 8, 48)]]);
    expect(await findFaces(photo(128, 64), { ...settings, ladder: true, detect: again.detect })).toEqual([]);
    expect(again.seen, 'a photo without a face').toHaveLength(5);
  });

  it('finds nothing in a sliver, and does not ask', async () => {
    const { seen, detect } = watch([[face(0, 0, 9, 9)]]);
    expect(await findFaces(photo(3000, 3), { side: SIDE, maxOverlap: 0.4, ladder: true, detect })).toEqual([]);
    expect(seen).toEqual([]);
  });

  it('looks no further without the ladder, or where it found a face of usual size', async () => {
    const none = watch([]);
    await findFaces(photo(64, 48), { side: SIDE, maxOverlap: 0.4, ladder: false, detect: none.detect });
    expect(none.seen).toHaveLength(1);
    const one = watch([[face(0, 0, 20, 20)]]);
    await findFaces(photo(64, 48), { side: SIDE, maxOverlap: 0.4, ladder: true, detect: one.detect });
    expect(one.seen).toHaveLength(1);
  });

  it('looks again at half the size and the three other ways up where it found none', async () => {
    // One red pixel at (10, 4) of 64 x 48; the turned squares have it where a turned photo has it.
    const { seen, detect } = watch([[], [], [face(43, 10, 44, 11)], [], []]);
    const found = await findFaces(photo(64, 48, [[10, 4]]), { side: SIDE, maxOverlap: 0.4, ladder: true, detect });
    expect(seen).toEqual([
      [10, 4],
      [5, 2],
      [47 - 4, 10],
      [63 - 10, 47 - 4],
      [4, 63 - 10],
    ]);
    // What was found in the square turned by 90 degrees lies at the red pixel of the photo.
    expect(found).toEqual([{ box: { x1: 10, y1: 3, x2: 11, y2: 4 }, score: 0.9, landmarks: [[10, 4]] }]);
  });

  it('looks again where a face fills the photo, and keeps the better of both', async () => {
    const { seen, detect } = watch([[face(0, 0, 64, 40, 0.55)], [face(0, 0, 32, 20, 0.8)]]);
    const found = await findFaces(photo(64, 48), { side: SIDE, maxOverlap: 0.4, ladder: true, detect });
    expect(seen).toHaveLength(5);
    expect(found).toEqual([face(0, 0, 64, 40, 0.8)]);
  });
});
