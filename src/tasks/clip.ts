import { RunnerError } from '../errors.js';
import type { Delivery, Job } from '../job.js';
import type { ClipModel } from '../model.js';
import type { Session } from '../tensor.js';
import { cropPixels, pixelNeedOf } from './image/preprocess.js';
import { openVisionTower, type VisionTower } from './vision-tower.js';
import type { Photo, Task, TaskContext, TaskUnit, UnitInfo } from './task.js';

/**
 * Image embeddings: one unit, and one callback, per CLIP model. A unit's value is a `Float32Array` of the model's
 * dimension, L2-normalised.
 */
export const clipTask: Task = {
  name: 'clip',
  input: 'image',

  async open(context) {
    const units: TaskUnit<Uint8Array>[] = [];
    for (const model of context.clipModels) units.push(await openUnit(model, context));
    return units;
  },

  deliver(value, job, unit) {
    return [imageDelivery(value as Float32Array, job, unit)];
  },
};

async function openUnit(model: ClipModel, context: TaskContext): Promise<TaskUnit<Uint8Array>> {
  const { visionFile, preprocess } = model;
  if (visionFile === undefined || preprocess === undefined) {
    throw new RunnerError('MODEL_INVALID', `The model "${model.label}" has no vision side in ${model.folder}.`);
  }
  const session: Session = await context.openSession(visionFile);
  const tower: VisionTower = await openVisionTower(session, { ...model, visionFile, preprocess }, context.maxBatch);
  return {
    label: model.label,
    modelName: model.name,
    device: session.device,
    dimension: tower.dimension,
    ...(tower.fixedBatch === undefined ? {} : { fixedBatch: tower.fixedBatch }),
    minPixels: pixelNeedOf(preprocess),
    prepare: (photo) => cropPixels(photo as Photo, preprocess),
    releasesInput: true,
    run: (pictures) => tower.embed(pictures),
    close: () => session.close(),
  };
}

function imageDelivery(embedding: Float32Array, job: Job, unit: UnitInfo): Delivery {
  if (unit.dimension !== undefined && embedding.length !== unit.dimension) {
    throw new RunnerError(
      'RUN_BAD_OUTPUT',
      `Expected an embedding of ${unit.dimension} numbers, got ${embedding.length}.`,
    );
  }
  return {
    jobId: job.id,
    unit: `${unit.task}/${unit.label}`,
    path: `/api/internal/photos/${job.id}/ml_result`,
    body: {
      model: unit.label,
      modality: 'image',
      embedding: Array.from(embedding),
      ml_result: { source: 'clip_runner', model_name: unit.modelName ?? unit.label, device: unit.device },
      processing_status: 'done',
    },
  };
}
