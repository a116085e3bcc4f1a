import { show } from './check.js';
import { RunnerError } from './errors.js';
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
      throw invalid(
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

/** An element's JSON object. @throws RunnerError `JOB_INVALID` */
function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RunnerError('JOB_INVALID', 'Expected one JSON object, but the element is not valid JSON.', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`Expected a JSON object, but got ${show(value)}.`);
}

/**
 * A positive id as decimal digits. Numbers beyond 2^53 have lost digits before anybody can see it, and would name
 * another photo: they are refused; as strings they are exact.
 */
function readId(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && value > 0) return String(value);
    if (Number.isInteger(value) && value > 0) {
      throw invalid(
        `"${name}" is a number beyond 2^53, whose last digits JSON does not keep. Send it as a string of digits.`,
      );
    }
  }
  if (typeof value === 'string' && /^[0-9]{1,19}$/.test(value)) {
    const digits = value.replace(/^0+/, '');
    if (digits !== '') return digits;
  }
  throw invalid(`"${name}" must be a positive whole number or a string of 1 to 19 digits, but got ${show(value)}.`);
}

function readTasks(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_TASKS || !value.every((name) => typeof name === 'string')) {
    throw invalid(`"tasks" must be a list of at most ${MAX_TASKS} names, but got ${show(value)}.`);
  }
  return [...new Set(value)];
}

function readPath(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`"path" must be the photo's path, but got ${show(value)}.`);
}

function invalid(message: string): RunnerError {
  return new RunnerError('JOB_INVALID', message);
}
