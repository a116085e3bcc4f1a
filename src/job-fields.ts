import { show } from './check.js';
import { RunnerError } from './errors.js';

/** What the job types share: reading an element's JSON and its ids. */

/** An element's fields. A name from outside is asked for with `Object.hasOwn`: the object has `Object`'s prototype. */
type JobFields = Readonly<Record<string, unknown>>;

/** An element's JSON object. @throws RunnerError `JOB_INVALID` */
export function parseObject(text: string): JobFields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RunnerError('JOB_INVALID', 'Expected one JSON object, but the element is not valid JSON.', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalidJob(`Expected a JSON object, but got ${show(value)}.`);
}

/**
 * A positive id as decimal digits. Numbers beyond 2^53 have lost digits before anybody can see it, and would name
 * another photo or query: they are refused; as strings they are exact.
 * @throws RunnerError `JOB_INVALID`
 */
export function readId(fields: JobFields, name: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && value > 0) return String(value);
    if (Number.isInteger(value) && value > 0) {
      throw invalidJob(
        `"${name}" is a number beyond 2^53, whose last digits JSON does not keep. Send it as a string of digits.`,
      );
    }
  }
  if (typeof value === 'string' && /^[0-9]{1,19}$/.test(value)) {
    const digits = value.replace(/^0+/, '');
    if (digits !== '') return digits;
  }
  throw invalidJob(`"${name}" must be a positive whole number or a string of 1 to 19 digits, but got ${show(value)}.`);
}

export function invalidJob(message: string): RunnerError {
  return new RunnerError('JOB_INVALID', message);
}
