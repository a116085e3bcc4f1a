import { landmarksOf, type AnswerDecoder } from './anchors.js';

/**
 * YuNet (OpenCV's model zoo), decoded as OpenCV's `FaceDetectorYN` does: the score is the geometric mean of two that are
 * clamped to 0 to 1; a box is the offset of its centre in strides and the logarithm of its sides in strides.
 */
export const yunetDecoder: AnswerDecoder = {
  score: ({ scores, objectness }, index) => Math.sqrt(clamp(scores[index] ?? 0) * clamp(objectness[index] ?? 0)),

  detection(answer, index, column, row, score) {
    const { stride, boxes } = answer;
    const value = (place: number): number => boxes[index * 4 + place] ?? 0;
    const [x, y] = [(column + value(0)) * stride, (row + value(1)) * stride];
    const [halfWidth, halfHeight] = [(Math.exp(value(2)) * stride) / 2, (Math.exp(value(3)) * stride) / 2];
    return {
      box: { x1: x - halfWidth, y1: y - halfHeight, x2: x + halfWidth, y2: y + halfHeight },
      score,
      landmarks: landmarksOf(answer, index, column, row),
    };
  },
};

function clamp(value: number): number {
  return Math.max(0, Math.min(value, 1));
}
