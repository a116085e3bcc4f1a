import { show } from './check.js';
import { invalidJob, parseObject, readId } from './job-fields.js';
import type { Job, JobType } from './job.js';

/** Longest text element that is parsed: a text of a million characters, most of them escaped, still fits. */
export const MAX_TEXT_ELEMENT_BYTES = 8 * 1024 * 1024;

/**
 * `{"type":"text_embed","request_id":123,"query":"a cat","model":"clip-ViT-L-14","limit":20}`.
 * Only known fields are read; `limit` is the server's own affair, whatever it is.
 */
export const textJobType: JobType = {
  name: 'text',
  maxElementBytes: MAX_TEXT_ELEMENT_BYTES,
  parse(text) {
    const fields = parseObject(text);
    if (fields['type'] === undefined && fields['photo_id'] !== undefined) {
      throw invalidJob('This is a photo task, but it lies in a queue of texts: LPUSH it to REDIS_QUEUE_NAME.');
    }
    if (fields['type'] !== undefined && fields['type'] !== 'text_embed') {
      throw invalidJob(`"type" must be "text_embed" in a queue of texts, but got ${show(fields['type'])}.`);
    }
    return {
      type: 'text',
      id: readId(fields, 'request_id'),
      tasks: ['text'],
      model: readModel(fields['model']),
      input: { kind: 'text', text: readQuery(fields['query']) },
      fields: Object.create(null) as Record<string, unknown>,
    } satisfies Job;
  },
};

function readQuery(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw invalidJob(`"query" must be a text that is not blank, but got ${show(value)}.`);
}

/** Null: the default model. Which labels there are, only the runner knows. */
function readModel(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value !== '') return value;
  throw invalidJob(`"model" must be the label of a model, or null, but got ${show(value)}.`);
}
