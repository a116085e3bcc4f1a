import { landmarksOf, type AnswerDecoder } from './anchors.js';

/**
 * SCRFD (insightface): scores are probabilities already, and a box is four distances, in strides, from its cell's corner
 * to its borders.
 */
export const scrfdDecoder: AnswerDecoder = {
  score: ({ scores }, index) => scores[index] ?? 0,

  detection(answer, index, column, row, score) {
    const { stride, boxes } = answer;
    const distance = (side: number): number => (boxes[index * 4 + side] ?? 0) * stride;
    const [x, y] = [column * stride, row * stride];
    return {
      box: { x1: x - distance(0), y1: y - distance(1), x2: x + distance(2), y2: y + distance(3) },
      score,
      landmarks: landmarksOf(answer, index, column, row),
    };
  },
};
