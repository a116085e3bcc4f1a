import type { FaceSettings, ImagePreprocess, OcrSettings, RunnerModels } from './model.js';

/** What a photo takes in a batch of all tasks together, in bytes. */
export function photoBytes({ clipModels, faces, captions, ocr }: RunnerModels): number {
  const tasks = [
    ...clipModels.map(({ preprocess }) => tensorBytes(preprocess)),
    tensorBytes(captions?.model.preprocess),
    faces === undefined ? 0 : squareBytes(faces),
    ocr === undefined ? 0 : canvasBytes(ocr),
  ];
  return tasks.reduce((sum, bytes) => sum + bytes, 0);
}

/** What a photo's tensor takes; nothing where the model reads no photos. */
export function tensorBytes(preprocess: ImagePreprocess | undefined): number {
  if (preprocess === undefined) return 0;
  return 3 * preprocess.crop.width * preprocess.crop.height * Float32Array.BYTES_PER_ELEMENT;
}

/** What a photo takes before its faces are known: the square that the detector sees, as its tensor. */
export function squareBytes({ size }: FaceSettings): number {
  return 3 * size * size * Float32Array.BYTES_PER_ELEMENT;
}

/** What a photo takes before its lines are known: the pixels at which text is looked for. */
export function canvasBytes({ size }: OcrSettings): number {
  return 3 * size * size;
}
