import { show } from './check.js';
import { invalidJob, parseObject, readId } from './job-fields.js';
import type { Job, JobType } from './job.js';

/** Names in a job's `tasks` at most. */
const MAX_TASKS = 64;

/**
 * `{"photo_id":1,"user_id":1,"path":"./uploads/original/x.jpg","tasks":["clip","face"]}`.
 * Only known fields are read; nothing of the element is copied by its own key.
 */
export const photoJobType: JobType = {
  name: 'photo',
  parse(text) {
    const fields = parseObject(text);
    if (fields['type'] === 'text_embed' || (fields['photo_id'] === undefined && fields['query'] !== undefined)) {
      throw invalidJob(
        'This is a text task, but it lies in a queue of photos: LPUSH it to the text queue (TEXT_EMBED_QUEUE_NAME).',
      );
    }
    const id = readId(fields, 'photo_id');
    const userId = readId(fields, 'user_id');
    return {
      type: 'photo',
      id,
      tasks: readTasks(fields['tasks']),
      input: { kind: 'image', path: readPath(fields['path']) },
      fields: Object.assign(Object.create(null) as Record<string, unknown>, { user_id: userId }),
    } satisfies Job;
  },
};

function readTasks(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_TASKS || !value.every((name) => typeof name === 'string')) {
    throw invalidJob(`"tasks" must be a list of at most ${MAX_TASKS} names, but got ${show(value)}.`);
  }
  return [...new Set(value)];
}

function readPath(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidJob(`"path" must be the photo's path, but got ${show(value)}.`);
}
