import { RunnerError } from '../errors.js';
import type { Delivery, Job } from '../job.js';
import type { CaptionSettings } from '../model.js';
import { openCaptioner } from './caption/captioner.js';
import { cropPixels, pixelNeedOf } from './image/preprocess.js';
import { openTextUnit } from './text.js';
import { openSentenceDecoder } from './tokenizer/decode.js';
import type { Photo, RunControl, Task, TaskContext, TaskUnit, UnitInfo } from './task.js';

/** A photo's description. */
export interface Caption {
  /** One sentence in plain words; empty where the model had nothing to say. */
  readonly text: string;
  /** The sentence in the space of the first CLIP model, L2-normalised; undefined where `text` is empty. */
  readonly embedding: Float32Array | undefined;
}

/**
 * Descriptions: one unit with the label of the first CLIP model, whose text side embeds the sentence. A unit's value is a
 * `Caption`; an empty one posts nothing.
 */
export const captionTask: Task = {
  name: 'caption',
  impliedBy: ['clip'],
  input: 'image',

  async open(context) {
    return [await openUnit(settingsOf(context), context)];
  },

  deliver(value, job, unit) {
    const { text, embedding } = value as Caption;
    return embedding === undefined ? [] : [captionDelivery(text, embedding, job, unit)];
  },
};

function settingsOf({ captions }: TaskContext): CaptionSettings {
  if (captions !== undefined) return captions;
  throw new RunnerError('OPTIONS_INVALID', 'The task "caption" was opened without a caption model: set captionModel.');
}

async function openUnit({ model, maxNewTokens }: CaptionSettings, context: TaskContext): Promise<TaskUnit<Uint8Array>> {
  const [clip] = context.clipModels;
  if (clip === undefined) {
    const message = 'The task "caption" needs a CLIP model, whose text side embeds the sentences: set models.';
    throw new RunnerError('OPTIONS_INVALID', message);
  }
  const { maxBatch } = context;
  const texts = await openTextUnit(clip, context);
  const limit = Math.min(maxNewTokens, model.maxPositions - 1);
  const captioner = await openCaptioner({
    ...{ model, maxNewTokens: limit, maxBatch },
    openSession: (file) => context.openSession(file),
  });
  const decode = await openSentenceDecoder(model.tokenizerFolder);
  const { preprocess } = model;
  return {
    label: clip.label,
    modelName: model.name,
    device: captioner.device,
    ...(texts.dimension === undefined ? {} : { dimension: texts.dimension }),
    minPixels: pixelNeedOf(preprocess),
    prepare: (photo) => cropPixels(photo as Photo, preprocess),
    releasesInput: true,
    heedsControl: true,
    async run(pictures, control) {
      const sentences = await captioner.describe(pictures, control);
      return embedSentences(
        { texts, control },
        sentences.map((ids) => (ids instanceof RunnerError ? ids : decode(ids))),
      );
    },
    async close() {
      await Promise.all([texts.close?.(), captioner.close()]);
    },
  };
}

/** A sentence or a failure per photo; a vector is asked for sentences that say something. */
async function embedSentences(
  { texts, control }: { readonly texts: TaskUnit<readonly number[]>; readonly control: RunControl },
  sentences: readonly (string | RunnerError)[],
): Promise<readonly (Caption | RunnerError)[]> {
  const said = sentences.flatMap((sentence) => (typeof sentence === 'string' && sentence !== '' ? [sentence] : []));
  const ids: (readonly number[])[] = [];
  for (const sentence of said) ids.push(await texts.prepare(sentence));
  const vectors = said.length === 0 ? [] : await texts.run(ids, control);
  let next = 0;
  return sentences.map((text): Caption | RunnerError => {
    if (text instanceof RunnerError) return text;
    if (text === '') return { text, embedding: undefined };
    const embedding = vectors[next++] as Float32Array | RunnerError;
    return embedding instanceof RunnerError ? embedding : { text, embedding };
  });
}

function captionDelivery(text: string, embedding: Float32Array, job: Job, unit: UnitInfo): Delivery {
  return {
    jobId: job.id,
    unit: `${unit.task}/${unit.label}`,
    path: `/api/internal/photos/${job.id}/ml_result`,
    body: {
      model: unit.label,
      modality: 'caption',
      embedding: Array.from(embedding),
      ml_result: { caption: text },
      processing_status: 'done',
    },
  };
}
