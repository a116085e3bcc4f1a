import { stat } from 'node:fs/promises';
import { DirectCalls, imageInput, textInput, type ImageInput } from './direct.js';
import { RunnerError } from './errors.js';
import type { InputKind } from './job.js';
import type { Lane, LaneItem } from './lane.js';
import { openLanes, type EngineHooks } from './lanes.js';
import type { ClipModel, RunnerModels } from './model.js';
import type { ResolvedOptions } from './options.js';
import { canvasBytes, photoBytes, squareBytes, tensorBytes } from './photo-bytes.js';
import { resolveRunnerModels } from './runner-models.js';
import type { LaneStats } from './stats.js';
import { tuneOptions } from './tune-options.js';
import type { Tuning } from './tuning.js';
import type { TaskTable } from './task-table.js';
import type { Caption } from './tasks/caption.js';
import type { PhotoFaces } from './tasks/face/face.js';
import type { PhotoText } from './tasks/ocr/text-line.js';

/** One vector or failure per input, in order. */
export type Vectors = readonly (Float32Array | RunnerError)[];

/** The faces of one photo, or its failure, per input, in order. */
export type FaceLists = readonly (PhotoFaces | RunnerError)[];

/** The description of one photo, or its failure, per input, in order. */
export type Captions = readonly (Caption | RunnerError)[];

/** The text of one photo, or its failure, per input, in order. */
export type PhotoTexts = readonly (PhotoText | RunnerError)[];

interface OpenHooks extends EngineHooks {
  /** The options with those of a tuning that were left to it. */
  readonly applyTuning: (tuning: Tuning) => ResolvedOptions;
}

/** Models, threads and batches: the part of a runner that needs no queue. */
export class Engine {
  /** The options that it goes by: where they were left to it, those that this machine was tuned to. */
  readonly options: ResolvedOptions;
  /** What a photo takes in a batch, all tasks together. */
  readonly itemBytes: number;
  readonly #lanes: ReadonlyMap<InputKind, Lane>;
  readonly #tasks: TaskTable;
  readonly #models: RunnerModels;
  readonly #direct: DirectCalls;

  private constructor(
    options: ResolvedOptions,
    lanes: ReadonlyMap<InputKind, Lane>,
    tasks: TaskTable,
    models: RunnerModels,
  ) {
    this.options = options;
    this.#lanes = lanes;
    this.#tasks = tasks;
    this.#models = models;
    this.#direct = new DirectCalls((items) => this.submit(items), options.maxDirect);
    this.itemBytes = photoBytes(models);
  }

  /**
   * Finds or downloads the models, and loads and tests them in every thread.
   * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`
   */
  static async open(options: ResolvedOptions, tasks: TaskTable, hooks: OpenHooks): Promise<Engine> {
    if (tasks.kinds().includes('image')) await checkRoots(options.roots);
    const models = await resolveRunnerModels(options, tasks, hooks);
    const tuned = await tuneOptions(options, tasks, models, hooks.applyTuning);
    const lanes = await openLanes(tuned, tasks, models, hooks);
    return new Engine(tuned, lanes, tasks, models);
  }

  /** Each item goes to the lane of its input. */
  submit(items: readonly LaneItem[]): void {
    for (const [kind, lane] of this.#lanes) {
      const own = items.filter(({ threadItem }) => threadItem.input.kind === kind);
      if (own.length > 0) lane.submit(own);
    }
  }

  /** @throws RunnerError `OPTIONS_INVALID` for an unknown label, or where the runner has no task `clip`. */
  async embedImages(inputs: readonly ImageInput[], label: string | undefined): Promise<Vectors> {
    const model = this.#modelFor('embedImages', 'clip', label);
    return this.#ask(inputs.map(imageInput), `clip/${model.label}`, tensorBytes(model.preprocess));
  }

  /** @throws RunnerError `OPTIONS_INVALID` for an unknown label, or where the runner has no task `text`. */
  async embedTexts(texts: readonly string[], label: string | undefined): Promise<Vectors> {
    const model = this.#modelFor('embedTexts', 'text', label);
    return this.#ask(texts.map(textInput), `text/${model.label}`, 0);
  }

  /** @throws RunnerError `OPTIONS_INVALID` where the runner has no task `face`. */
  async detectFaces(inputs: readonly ImageInput[]): Promise<FaceLists> {
    const { faces } = this.#models;
    if (faces === undefined) throw missingTask('detectFaces', 'face');
    return (await this.#direct.ask(inputs.map(imageInput), `face/${faces.label}`, squareBytes(faces))) as FaceLists;
  }

  /** @throws RunnerError `OPTIONS_INVALID` where the runner has no task `caption`. */
  async describeImages(inputs: readonly ImageInput[]): Promise<Captions> {
    const { captions, clipModels } = this.#models;
    const [clip] = clipModels;
    if (captions === undefined || clip === undefined) throw missingTask('describeImages', 'caption');
    const bytes = tensorBytes(captions.model.preprocess);
    return (await this.#direct.ask(inputs.map(imageInput), `caption/${clip.label}`, bytes)) as Captions;
  }

  /** @throws RunnerError `OPTIONS_INVALID` where the runner has no task `ocr`. */
  async readTexts(inputs: readonly ImageInput[]): Promise<PhotoTexts> {
    const { ocr } = this.#models;
    if (ocr === undefined) throw missingTask('readTexts', 'ocr');
    return (await this.#direct.ask(inputs.map(imageInput), `ocr/${ocr.label}`, canvasBytes(ocr))) as PhotoTexts;
  }

  /** Resolves when no direct call waits any more. */
  whenIdle(): Promise<void> {
    return this.#direct.whenIdle();
  }

  flush(): void {
    for (const lane of this.#lanes.values()) lane.flush();
  }

  /** Drops what was not begun. */
  cancel(): void {
    for (const lane of this.#lanes.values()) lane.cancel();
  }

  lanes(): readonly LaneStats[] {
    return [...this.#lanes.values()].map((lane) => lane.stats());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
  }

  /** Ends what runs by force, where that is possible. */
  kill(): void {
    for (const lane of this.#lanes.values()) lane.kill();
  }

  async #ask(...call: Parameters<DirectCalls['ask']>): Promise<Vectors> {
    return (await this.#direct.ask(...call)) as Vectors;
  }

  #modelFor(method: string, task: 'clip' | 'text', label: string | undefined): ClipModel {
    if (!this.#tasks.has(task)) throw missingTask(method, task);
    const { clipModels } = this.#models;
    const model = label === undefined ? clipModels[0] : clipModels.find((candidate) => candidate.label === label);
    if (model !== undefined) return model;
    const known = clipModels.map((candidate) => candidate.label).join(', ');
    throw new RunnerError('OPTIONS_INVALID', `There is no model "${label ?? ''}". The labels are: ${known || 'none'}.`);
  }
}

function missingTask(method: string, task: string): RunnerError {
  return new RunnerError(
    'OPTIONS_INVALID',
    `${method} needs the task "${task}", which this runner does not have: add it to tasks, e.g. tasks: ['clip', '${task === 'clip' ? 'text' : task}'].`,
  );
}

/**
 * Without its folder (a mount that is missing, say) every job would end as a dead letter.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export async function checkRoots(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    const facts = await stat(root).catch(() => undefined);
    if (facts?.isDirectory() === true) continue;
    const hint = 'Create or mount it, or name another one (roots, PROJECT_ROOT, UPLOAD_BASE_DIR).';
    throw new RunnerError('OPTIONS_INVALID', `Expected a folder of photos at ${root}, but there is none. ${hint}`);
  }
}
