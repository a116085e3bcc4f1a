/**
 * A setting of the commands: its environment variable, its flag, its default and how its text is read. A flag overrides
 * the variable; the variable overrides the default.
 */
export interface Variable<T> {
  readonly env: string;
  readonly flag: string;
  readonly help: string;
  /** As text, as it would stand in the environment. */
  readonly default: string;
  readonly read: Reader<T>;
  /** Never shown in help, logs or errors. */
  readonly isSecret?: true;
}

/** Reads the text of a setting; throws a TypeError whose message says what was expected. */
export interface Reader<T> {
  (text: string): T;
  /** The values that it takes, where they are few. */
  readonly choices?: readonly string[];
}

export function variable<T>(env: string, flag: string, fallback: string, read: Reader<T>, help: string): Variable<T> {
  return { env, flag, default: fallback, read, help };
}

/** A variable whose value is never shown. */
export function secret<T>(env: string, flag: string, fallback: string, read: Reader<T>, help: string): Variable<T> {
  return { ...variable(env, flag, fallback, read, help), isSecret: true };
}

// The readers.

export const text = (value: string): string => value;

export const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isSafeInteger(number) && number >= least && number <= most) return number;
    throw new TypeError(
      most === Number.MAX_SAFE_INTEGER
        ? `a whole number of at least ${least}`
        : `a whole number from ${least} to ${most}`,
    );
  };

/** A whole number; undefined where none is set. */
export const wholeOrNone =
  (least: number, most?: number) =>
  (value: string): number | undefined =>
    value.trim() === '' ? undefined : whole(least, most)(value);

export const share = (value: string): number => {
  const number = Number(value);
  if (value.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new TypeError('a number from 0 to 1');
};

/** A cosine distance; undefined where none is set. */
export const distance = (value: string): number | undefined => {
  if (value.trim() === '') return undefined;
  const number = Number(value);
  if (number >= 0 && number <= 2) return number;
  throw new TypeError('a number from 0 to 2');
};

export const yesOrNo = (value: string): boolean => {
  const word = value.trim().toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return true;
  if (['0', 'false', 'no', 'off', ''].includes(word)) return false;
  throw new TypeError('1 or 0');
};

export function choice<const T extends string>(values: readonly T[]): Reader<T> {
  const read = (value: string): T => {
    const found = values.find((candidate) => candidate === value.trim());
    if (found !== undefined) return found;
    throw new TypeError(`one of ${values.join(', ')}`);
  };
  return Object.assign(read, { choices: values });
}
