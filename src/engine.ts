import { stat } from 'node:fs/promises';
import { DirectCalls, imageInput, textInput, type ImageInput } from './direct.js';
import { RunnerError } from './errors.js';
import type { Emit } from './events.js';
import type { InputKind } from './job.js';
import type { Lane, LaneItem } from './lane.js';
import { resolveCaptions } from './caption-settings.js';
import { openLanes, type EngineHooks } from './lanes.js';
import { resolveFaces } from './face-settings.js';
import type { CaptionSettings, ClipModel, FaceSettings, ImagePreprocess, RunnerModels } from './model.js';
import { resolveClipModel } from './models/resolve.js';
import type { ResolvedOptions } from './options.js';
import type { TaskTable } from './task-table.js';
import type { Caption } from './tasks/caption.js';
import type { PhotoFaces } from './tasks/face/face.js';

/** One vector or failure per input, in order. */
export type Vectors = readonly (Float32Array | RunnerError)[];

/** The faces of one photo, or its failure, per input, in order. */
export type FaceLists = readonly (PhotoFaces | RunnerError)[];

/** The description of one photo, or its failure, per input, in order. */
export type Captions = readonly (Caption | RunnerError)[];

/** Models, threads and batches: the part of a runner that needs no queue. */
export class Engine {
  /** What one picture's tensors take, all models together. */
  readonly itemBytes: number;
  readonly #lanes: ReadonlyMap<InputKind, Lane>;
  readonly #tasks: TaskTable;
  readonly #models: readonly ClipModel[];
  readonly #faces: FaceSettings | undefined;
  readonly #captions: CaptionSettings | undefined;
  readonly #direct: DirectCalls;

  private constructor(
    lanes: ReadonlyMap<InputKind, Lane>,
    tasks: TaskTable,
    { clipModels, faces, captions }: RunnerModels,
    maxDirect: number,
  ) {
    this.#lanes = lanes;
    this.#tasks = tasks;
    this.#models = clipModels;
    this.#faces = faces;
    this.#captions = captions;
    this.#direct = new DirectCalls((items) => this.submit(items), maxDirect);
    const taskBytes = [
      ...clipModels.map(({ preprocess }) => tensorBytes(preprocess)),
      faces === undefined ? 0 : squareBytes(faces),
      tensorBytes(captions?.model.preprocess),
    ];
    this.itemBytes = taskBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Finds or downloads the models, and loads and tests them in every thread.
   * @throws RunnerError `MODEL_*`, `DEVICE_UNAVAILABLE`, `THREAD_TIMEOUT`
   */
  static async open(options: ResolvedOptions, tasks: TaskTable, hooks: EngineHooks): Promise<Engine> {
    if (tasks.kinds().includes('image')) await checkRoots(options.roots);
    const needsModels = tasks.has('clip') || tasks.has('text') || tasks.has('caption');
    const clipModels = needsModels ? await resolveModels(options, tasks, hooks) : [];
    const faces = tasks.has('face') ? await resolveFaces(options, hooks) : undefined;
    const captions = tasks.has('caption') ? await resolveCaptions(options, hooks) : undefined;
    const models: RunnerModels = {
      clipModels,
      ...(faces === undefined ? {} : { faces }),
      ...(captions === undefined ? {} : { captions }),
    };
    tellLicences([...clipModels, ...(faces === undefined ? [] : [{ ...faces.model, label: faces.label }])], hooks.emit);
    const lanes = await openLanes(options, tasks, models, hooks);
    return new Engine(lanes, tasks, models, options.maxDirect);
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
    if (this.#faces === undefined) throw missingTask('detectFaces', 'face');
    const wanted = `face/${this.#faces.label}`;
    return (await this.#direct.ask(inputs.map(imageInput), wanted, squareBytes(this.#faces))) as FaceLists;
  }

  /** @throws RunnerError `OPTIONS_INVALID` where the runner has no task `caption`. */
  async describeImages(inputs: readonly ImageInput[]): Promise<Captions> {
    const [clip] = this.#models;
    if (this.#captions === undefined || clip === undefined) throw missingTask('describeImages', 'caption');
    const bytes = tensorBytes(this.#captions.model.preprocess);
    return (await this.#direct.ask(inputs.map(imageInput), `caption/${clip.label}`, bytes)) as Captions;
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

  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
  }

  async #ask(...call: Parameters<DirectCalls['ask']>): Promise<Vectors> {
    return (await this.#direct.ask(...call)) as Vectors;
  }

  #modelFor(method: string, task: 'clip' | 'text', label: string | undefined): ClipModel {
    if (!this.#tasks.has(task)) throw missingTask(method, task);
    const model = label === undefined ? this.#models[0] : this.#models.find((candidate) => candidate.label === label);
    if (model !== undefined) return model;
    const known = this.#models.map((candidate) => candidate.label).join(', ');
    throw new RunnerError('OPTIONS_INVALID', `There is no model "${label ?? ''}". The labels are: ${known || 'none'}.`);
  }
}

function missingTask(method: string, task: string): RunnerError {
  return new RunnerError(
    'OPTIONS_INVALID',
    `${method} needs the task "${task}", which this runner does not have: add it to tasks, e.g. tasks: ['clip', '${task === 'clip' ? 'text' : task}'].`,
  );
}

/** Licences that keep weights from commercial use are told once, at the start. */
function tellLicences(
  models: readonly { readonly label: string; readonly name: string; readonly licence?: string }[],
  emit: Emit,
): void {
  for (const { label, name, licence } of models) {
    if (licence !== undefined && /\bNC\b|non-commercial/i.test(licence))
      emit('model:licence', { label, name, licence });
  }
}

/** Without its folder (a mount that is missing, say) every job would end as a dead letter. */
async function checkRoots(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    const facts = await stat(root).catch(() => undefined);
    if (facts?.isDirectory() === true) continue;
    const hint = 'Create or mount it, or name another one (roots, PROJECT_ROOT, UPLOAD_BASE_DIR).';
    throw new RunnerError('OPTIONS_INVALID', `Expected a folder of photos at ${root}, but there is none. ${hint}`);
  }
}

async function resolveModels(
  options: ResolvedOptions,
  tasks: TaskTable,
  { emit, signal }: EngineHooks,
): Promise<readonly ClipModel[]> {
  const { models, dtype, hub } = options;
  const wantVision = tasks.kinds().includes('image');
  const resolved: ClipModel[] = [];
  for (const [index, model] of models.entries()) {
    // The first model's text side embeds captions.
    const wantText = tasks.has('text') || (index === 0 && tasks.has('caption'));
    const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
      emit('model:progress', { label: model.label, ...progress });
    resolved.push(await resolveClipModel(model, { ...hub, dtype, wantVision, wantText, signal, onProgress }));
  }
  return resolved;
}

function tensorBytes(preprocess: ImagePreprocess | undefined): number {
  if (preprocess === undefined) return 0;
  return 3 * preprocess.crop.width * preprocess.crop.height * Float32Array.BYTES_PER_ELEMENT;
}

/** What a photo takes before its faces are known: the square that the detector sees, as its tensor. */
function squareBytes({ size }: FaceSettings): number {
  return 3 * size * size * Float32Array.BYTES_PER_ELEMENT;
}
