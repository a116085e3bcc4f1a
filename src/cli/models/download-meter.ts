import type { DownloadProgress } from '../../models/download.js';
import { bar, duration } from '../progress.js';
import { sizeText } from './table.js';

/** Turns the steps of a download into a line with rate and time left, file by file. */
export class DownloadMeter {
  readonly #now: () => number;
  #file = '';
  #startedAt = 0;
  #firstBytes = 0;

  /** `now` tells milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** `[=========           ] 45 %  152 of 352 MB  12 MB/s  16 s left  onnx/vision_model.onnx` */
  line({ file, receivedBytes, totalBytes }: DownloadProgress): string {
    if (file !== this.#file || receivedBytes < this.#firstBytes) {
      // What a former download had left does not count for the rate.
      [this.#file, this.#startedAt, this.#firstBytes] = [file, this.#now(), receivedBytes];
    }
    const part = totalBytes === 0 ? 1 : receivedBytes / totalBytes;
    const bytesPerSecond = (receivedBytes - this.#firstBytes) / ((this.#now() - this.#startedAt) / 1000);
    const pace =
      bytesPerSecond > 0 && Number.isFinite(bytesPerSecond)
        ? [`${sizeText(bytesPerSecond)}/s`, `${duration((totalBytes - receivedBytes) / bytesPerSecond)} left`]
        : [];
    const parts = [
      `${Math.floor(part * 100)} %`,
      `${sizeText(receivedBytes)} of ${sizeText(totalBytes)}`,
      ...pace,
      file,
    ];
    return `${bar(part)} ${parts.join('  ')}`;
  }
}
