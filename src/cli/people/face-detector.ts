import { createHash } from 'node:crypto';
import { coerceError, type RunnerError } from '../../errors.js';
import { detectorSide } from '../../face-settings.js';
import type { FaceModel } from '../../model.js';
import { hashFile } from '../../models/content-hash.js';
import type { ResolvedOptions, RunnerOptions } from '../../options.js';
import { createRunner, type Runner } from '../../runner.js';
import type { Log } from '../log.js';
import { logReadiness } from '../log-events.js';
import type { KnownFace } from './face-cache.js';

/** Time left to a stop after a second signal. */
const HURRY_MS = 500;

/** A runner for faces alone, whose models are loaded when the first photo needs them. */
export class FaceDetector {
  readonly #runner: Runner;
  readonly #onFailure: (error: RunnerError) => void;
  #started: Promise<void> | undefined;

  /** @param onFailure no photo can succeed any more */
  constructor(options: RunnerOptions, log: Log, onFailure: (error: RunnerError) => void) {
    this.#runner = createRunner({ ...options, tasks: ['face'] });
    this.#onFailure = onFailure;
    logReadiness(this.#runner, log);
    this.#runner.on('runner:failed', ({ error }) => onFailure(error));
  }

  /** Pictures that were decoded. */
  get decoded(): number {
    return this.#runner.stats().images.decoded;
  }

  /** @throws RunnerError of the picture; of the start, which `onFailure` has then been told */
  async detect(bytes: Uint8Array): Promise<readonly KnownFace[]> {
    this.#started ??= this.#start();
    await this.#started;
    const [faces = []] = await this.#runner.detectFaces([bytes]);
    return faces;
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
  }

  hurry(): void {
    void this.#runner.stop({ deadlineMs: HURRY_MS });
  }

  async #start(): Promise<void> {
    try {
      await this.#runner.start();
    } catch (thrown) {
      this.#onFailure(coerceError(thrown));
      throw thrown;
    }
  }
}

/** A short name for a model's files and all settings that faces depend on: the same name, the same faces. */
export async function faceIdentity(model: FaceModel, options: ResolvedOptions): Promise<string> {
  const { faceThreshold, faceNms, maxFacesPerPhoto, faceLadder, orientation } = options;
  const isReduced = options.faceDecode === 'reduced' && options.resample === 'fast';
  const facts = [
    await hashFile(model.detectionFile, createHash('sha256')),
    await hashFile(model.recognitionFile, createHash('sha256')),
    model.recognitionPixels,
    ...[faceThreshold, faceNms, detectorSide(model, options), maxFacesPerPhoto, faceLadder, orientation],
    // Only there, so that what is kept of full decoding stays known.
    ...(isReduced ? ['reduced'] : []),
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}
