import { Conductor } from './conductor.js';
import type { ImageInput } from './direct.js';
import { RunnerError } from './errors.js';
import type { EventName, RunnerEvents } from './events.js';
import type { RunnerOptions } from './options.js';
import type { RunnerStats } from './stats.js';
import type { Caption } from './tasks/caption.js';
import type { Face } from './tasks/face/face.js';
import type { TextLine } from './tasks/ocr/text-line.js';

/** Pulls jobs, runs models over them in threads, and delivers the results. Also answers direct calls. */
export interface Runner {
  /**
   * Finds (or downloads) the models, loads and tests them in every thread, then opens the queues and begins to claim.
   * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`; the runner is then stopped.
   */
  start(): Promise<void>;
  /**
   * Stops in order: claims no more, sends off what waits, lets the threads finish, delivers, acknowledges, gives
   * unfinished jobs back to the queue in their order, and closes. Idempotent; a second call with an earlier deadline
   * hurries the first. `deadlineMs` defaults to `shutdownTimeoutMs`.
   */
  stop(options?: { readonly deadlineMs?: number }): Promise<void>;
  /** Subscribes to an event; answers a function that ends the subscription. */
  on<Name extends EventName>(name: Name, listener: (event: RunnerEvents[Name]) => void): () => void;
  /** Counts since the runner was made, and what it does now; a copy. */
  stats(): RunnerStats;
  /**
   * Embeds pictures in the same threads and batches as the queue's jobs.
   * @returns one L2-normalised `Float32Array` (of the model's dimension) per picture, in order. With
   *   `onError: 'return'` a picture that fails has its `RunnerError` in its place.
   * @throws RunnerError of the first picture that failed (`IMAGE_*`, `FILE_*`), unless `onError` is `return`;
   *   `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  embedImages(
    inputs: readonly ImageInput[],
    options?: EmbedOptions & { readonly onError?: 'throw' },
  ): Promise<Float32Array[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their vectors. */
  embedImages(
    inputs: readonly ImageInput[],
    options: EmbedOptions & { readonly onError: 'return' },
  ): Promise<(Float32Array | RunnerError)[]>;
  /**
   * Embeds texts with the text side of a model, so that they find the pictures of `embedImages`; needs `text` among the
   * runner's `tasks`. Texts have a thread of their own and don't wait for photos. Longer ones are cut as the model's
   * tokenizer says.
   * @returns one L2-normalised `Float32Array` per text, in order; with `onError: 'return'` a blank text has its
   *   `RunnerError` (`JOB_INVALID`) in its place.
   * @throws RunnerError of the first text that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the task
   *   or for an unknown label; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  embedTexts(
    texts: readonly string[],
    options?: EmbedOptions & { readonly onError?: 'throw' },
  ): Promise<Float32Array[]>;
  /** As above, but a text that fails has its `RunnerError` in its place, and the others their vectors. */
  embedTexts(
    texts: readonly string[],
    options: EmbedOptions & { readonly onError: 'return' },
  ): Promise<(Float32Array | RunnerError)[]>;
  /**
   * Finds the faces in pictures, in the same threads and batches as the queue's jobs; needs `face` among the runner's
   * `tasks`.
   * @returns per picture, in order, its faces, best score first, at most `maxFacesPerPhoto`: box and landmarks in pixels
   *   of the picture as a person sees it, score, an L2-normalised embedding, quality. No face: an empty list.
   * @throws RunnerError of the first picture that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the
   *   task; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  detectFaces(inputs: readonly ImageInput[], options?: { readonly onError?: 'throw' }): Promise<(readonly Face[])[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their faces. */
  detectFaces(
    inputs: readonly ImageInput[],
    options: { readonly onError: 'return' },
  ): Promise<(readonly Face[] | RunnerError)[]>;
  /**
   * Describes pictures in a sentence each, in the same threads and batches as the queue's jobs; needs `caption` among the
   * runner's `tasks`, and a CLIP model, whose text side embeds the sentences.
   * @returns per picture, in order, its sentence and the sentence's L2-normalised embedding; no embedding where the model
   *   had nothing to say.
   * @throws RunnerError of the first picture that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the
   *   task; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  describeImages(inputs: readonly ImageInput[], options?: { readonly onError?: 'throw' }): Promise<Caption[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their captions. */
  describeImages(
    inputs: readonly ImageInput[],
    options: { readonly onError: 'return' },
  ): Promise<(Caption | RunnerError)[]>;
  /**
   * Reads the texts in pictures, in the same threads and batches as the queue's jobs; needs `ocr` among the runner's
   * `tasks`.
   * @returns per picture, in order, its lines in reading order, at most `maxLinesPerPhoto`: text, confidence, corners in
   *   pixels of the picture as a person sees it. No text: an empty list.
   * @throws RunnerError of the first picture that failed, unless `onError` is `return`; `OPTIONS_INVALID` without the
   *   task; `RUNNER_STOPPED` before `start()` and after `stop()`.
   */
  readTexts(inputs: readonly ImageInput[], options?: { readonly onError?: 'throw' }): Promise<(readonly TextLine[])[]>;
  /** As above, but a picture that fails has its `RunnerError` in its place, and the others their lines. */
  readTexts(
    inputs: readonly ImageInput[],
    options: { readonly onError: 'return' },
  ): Promise<(readonly TextLine[] | RunnerError)[]>;
}

/** What a direct call may choose. */
export interface EmbedOptions {
  /** Label of the model. @default the first one */
  readonly model?: string;
}

/**
 * Makes a runner; nothing is opened before `start()`. Two runners in one process share nothing but code (and sharp's
 * process-wide list of decoders, see `blockDecoders`).
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function createRunner(options: RunnerOptions): Runner {
  const conductor = new Conductor(options);
  return {
    start: () => conductor.start(),
    stop: (stopOptions) => conductor.stop(stopOptions?.deadlineMs),
    on: (name, listener) => conductor.events.on(name, listener),
    stats: () => conductor.stats(),
    embedImages: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('embedImages').embedImages(inputs, call?.model), call),
    embedTexts: async (texts: readonly string[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('embedTexts').embedTexts(texts, call?.model), call),
    detectFaces: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) => {
      const photos = await conductor.engineFor('detectFaces').detectFaces(inputs);
      return orThrow(
        photos.map((photo) => (photo instanceof RunnerError ? photo : photo.faces)),
        call,
      );
    },
    describeImages: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) =>
      orThrow(await conductor.engineFor('describeImages').describeImages(inputs), call),
    readTexts: async (inputs: readonly ImageInput[], call?: AnyEmbedOptions) => {
      const photos = await conductor.engineFor('readTexts').readTexts(inputs);
      return orThrow(
        photos.map((photo) => (photo instanceof RunnerError ? photo : photo.lines)),
        call,
      );
    },
  };
}

type AnyEmbedOptions = EmbedOptions & { readonly onError?: 'throw' | 'return' };

/** The values as they are, or the first failure thrown, as the call asks. `never[]` fits the types of both. */
function orThrow(values: readonly unknown[], call: AnyEmbedOptions | undefined): never[] {
  const failed = values.find((value) => value instanceof RunnerError);
  if (failed !== undefined && call?.onError !== 'return') throw failed;
  return values as never[];
}
