import { RunnerError } from './errors.js';

/**
 * Checks of options. The message is built from the check: what was expected, what came, and its type.
 */
export interface Check<T> {
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
}

export const positiveInteger = check(
  'a whole number of at least 1',
  (value): value is number => isInteger(value) && value >= 1,
);
export const wholeNumber = check(
  'a whole number of at least 0',
  (value): value is number => isInteger(value) && value >= 0,
);
export const someText = check(
  'a text that is not empty',
  (value): value is string => typeof value === 'string' && value !== '',
);
export const flag = check('true or false', (value): value is boolean => typeof value === 'boolean');

/** A whole number of milliseconds within what a timer can wait. */
export const durationMs = wholeNumberBetween(1, 2_147_483_647);

export function wholeNumberBetween(min: number, max: number): Check<number> {
  return check(
    `a whole number from ${min} to ${max}`,
    (value): value is number => isInteger(value) && value >= min && value <= max,
  );
}

/** Any number, whole or not, within bounds. */
export function numberBetween(min: number, max: number): Check<number> {
  return check(
    `a number from ${min} to ${max}`,
    (value): value is number => typeof value === 'number' && value >= min && value <= max,
  );
}

/** As `inner`, but for an option that may be left out and has no value then. */
export function optional<T>({ expected, accepts }: Check<T>): Check<T | undefined> {
  return check(expected, (value): value is T | undefined => value === undefined || accepts(value));
}

export function oneOf<const T extends string>(values: readonly T[]): Check<T> {
  return check(`one of ${values.join(', ')}`, (value): value is T => values.includes(value as T));
}

export function listOf<T>(inner: Check<T>): Check<readonly T[]> {
  return check(
    `a list, each ${inner.expected}`,
    (value): value is readonly T[] => Array.isArray(value) && value.every(inner.accepts),
  );
}

export function check<T>(expected: string, accepts: (value: unknown) => value is T): Check<T> {
  return { expected, accepts };
}

/**
 * Fills in defaults and checks every option. Unknown names are refused: they are mostly misspelt ones.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function resolveOptions<T extends object>(
  owner: string,
  given: object,
  defaults: T,
  checks: { readonly [Name in keyof T]: Check<T[Name]> },
): Readonly<T> {
  const resolved: Record<string, unknown> = { __proto__: null, ...defaults };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(checks, name)) {
      throw invalid(`${owner}: there is no option "${name}". The options are ${Object.keys(checks).join(', ')}.`);
    }
    if (value !== undefined) resolved[name] = value;
  }
  for (const [name, { expected, accepts }] of Object.entries<Check<unknown>>(checks)) {
    const value = resolved[name];
    if (!accepts(value)) throw invalid(`${owner}: the option "${name}" must be ${expected}, but got ${show(value)}.`);
  }
  return Object.freeze(resolved) as unknown as Readonly<T>;
}

/** A value for a message: its text where it is short and plain, and its type. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)} (string)`;
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return `${value} (${typeof value})`;
  return Array.isArray(value) ? `a list of ${value.length}` : `a value of type ${typeof value}`;
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
