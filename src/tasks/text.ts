import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { ClipModel } from '../model.js';
import { openTextTower } from './text-tower.js';
import { readJson } from './tokenizer/json.js';
import { openTokenizer } from './tokenizer/tokenizer.js';
import type { Task, TaskContext, TaskUnit } from './task.js';

/**
 * Text embeddings: one unit per CLIP model. A unit's value is a `Float32Array` of the model's dimension, L2-normalised,
 * in the same space as the model's image embeddings.
 */
export const textTask: Task = {
  name: 'text',
  input: 'text',

  async open(context) {
    const units: TaskUnit<readonly number[]>[] = [];
    for (const model of context.clipModels) units.push(await openTextUnit(model, context));
    return units;
  },

  deliver(value, job, unit) {
    return [
      {
        jobId: job.id,
        unit: `${unit.task}/${unit.label}`,
        path: `/api/internal/text_queries/${job.id}`,
        // As the job has it: it may be the model's name, and the server looks for what it asked for.
        body: { embedding: Array.from(value as Float32Array), model: job.model ?? unit.label },
      },
    ];
  },
};

/** The text side of a CLIP model. @throws RunnerError `MODEL_*` */
export async function openTextUnit(model: ClipModel, context: TaskContext): Promise<TaskUnit<readonly number[]>> {
  const { textFile, tokenizerFolder } = model;
  if (textFile === undefined || tokenizerFolder === undefined) {
    throw new RunnerError(
      'MODEL_INVALID',
      `The model "${model.label}" has no text side in ${model.folder}: texts need a text graph and tokenizer.json.`,
    );
  }
  const tokenizer = await openTokenizer(tokenizerFolder, await readJson(join(model.folder, 'config.json')));
  checkVocabulary(tokenizer.largestId, model);
  const session = await context.openSession(textFile);
  const tower = await openTextTower(session, tokenizer, { ...model, textFile }, context.maxBatch);
  return {
    label: model.label,
    modelName: model.name,
    device: session.device,
    dimension: tower.dimension,
    maxBatch: tower.maxBatch,
    prepare: (text) => tokenizer.encode(checkText(text), tower.maxTokens),
    run: (texts) => tower.embed(texts),
    close: () => session.close(),
  };
}

/** An id beyond the graph's table would make every run with it fail. A smaller tokenizer may be right: tables are padded. */
function checkVocabulary(largestId: number, { label, tokenizerFolder, vocabularySize }: ClipModel): void {
  if (vocabularySize === undefined || largestId < vocabularySize) return;
  throw new RunnerError(
    'MODEL_INVALID',
    `The tokenizer of the model "${label}" in ${String(tokenizerFolder)} doesn't belong to its text graph: it has ids up to ` +
      `${largestId}, the graph a table of ${vocabularySize} rows. Take both from the same export.`,
  );
}

function checkText(text: unknown): string {
  if (typeof text === 'string' && text.trim() !== '') return text;
  throw new RunnerError('JOB_INVALID', 'text is required: expected a text that is not blank.');
}
