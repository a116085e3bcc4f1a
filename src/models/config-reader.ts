import { show } from '../check.js';
import { RunnerError } from '../errors.js';

/** Checked reading of a JSON file's keys; `null` counts as missing, as it does in the files' own readers. */
export interface ConfigReader {
  has(key: string): boolean;
  value(key: string): unknown;
  flag(key: string, fallback: boolean): boolean;
  text(key: string, fallback: string): string;
  number(key: string, fallback: number, expected: string, accepts: (value: number) => boolean): number;
  triple(key: string, fallback: Triple, expected: string, accepts: (value: number) => boolean): Triple;
  /** The same, one level down. */
  section(key: string): ConfigReader;
  /** The error for a key: what was expected and what came. */
  wrong(key: string, expected: string): RunnerError;
}

export type Triple = readonly [number, number, number];

/** Pixels that a side of a model's input may have. */
export const MAX_SIDE = 4096;

export function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_SIDE;
}

/**
 * Reads a JSON object for checked access.
 * @throws RunnerError `MODEL_INVALID` when the text isn't a JSON object
 */
export function readConfig(file: string, text: string): ConfigReader {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new RunnerError('MODEL_INVALID', `${file} is not valid JSON.`, { cause: error });
  }
  if (!isRecord(parsed))
    throw new RunnerError('MODEL_INVALID', `${file} must be a JSON object, but got ${show(parsed)}.`);
  return createReader(file, '', parsed);
}

function createReader(file: string, prefix: string, record: Readonly<Record<string, unknown>>): ConfigReader {
  const value = (key: string): unknown => (Object.hasOwn(record, key) ? (record[key] ?? undefined) : undefined);
  const wrong = (key: string, expected: string): RunnerError =>
    new RunnerError('MODEL_INVALID', `${file}: "${prefix}${key}" must be ${expected}, but got ${show(value(key))}.`);

  function read<T>(key: string, fallback: T, expected: string, accepts: (given: unknown) => given is T): T {
    const given = value(key);
    if (given === undefined) return fallback;
    if (!accepts(given)) throw wrong(key, expected);
    return given;
  }

  return {
    has: (key) => value(key) !== undefined,
    value,
    wrong,
    flag: (key, fallback) =>
      read(key, fallback, 'true or false', (given): given is boolean => typeof given === 'boolean'),
    text: (key, fallback) => read(key, fallback, 'a text', (given): given is string => typeof given === 'string'),
    number: (key, fallback, expected, accepts) =>
      read(key, fallback, expected, (given): given is number => isFinite(given) && accepts(given)),
    triple: (key, fallback, expected, accepts) =>
      read(key, fallback, `three numbers, each ${expected}`, (given): given is Triple => {
        return Array.isArray(given) && given.length === 3 && given.every((entry) => isFinite(entry) && accepts(entry));
      }),
    section(key) {
      const inner = value(key);
      if (!isRecord(inner)) throw wrong(key, 'an object');
      return createReader(file, `${prefix}${key}.`, inner);
    },
  };
}

/** What lies at a place in JSON that need not have it; undefined where it isn't there. */
export function valueAt(json: unknown, ...keys: readonly string[]): unknown {
  let value = json;
  for (const key of keys) value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

function isFinite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
