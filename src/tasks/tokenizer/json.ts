import { readFile } from 'node:fs/promises';
import { RunnerError, coerceError, systemCode } from '../../errors.js';

/** The object in a JSON file, of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** The object in a JSON file, or undefined where there is no file. @throws RunnerError `MODEL_INVALID` */
export async function readJson(file: string): Promise<Json | undefined> {
  try {
    const value: unknown = JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/, ''));
    if (isObject(value)) return value;
    throw new Error('it holds no object');
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return undefined;
    const { message } = coerceError(thrown);
    throw new RunnerError('MODEL_INVALID', `Expected JSON in ${file}: ${message}.`, { cause: thrown });
  }
}

/** The value at a path of keys, or undefined. */
export function valueAt(json: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    json,
  );
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
