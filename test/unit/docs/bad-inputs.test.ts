import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROWS, SECURITY } from '../../support/bad-inputs.js';
import { ROOT } from '../../support/program.js';

/** Names of tests, groups and rows of their tables, as they stand in the sources. */
const sources = readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => readFileSync(`${ROOT}test/${file}`, 'utf8'));

function numbersOf(kind: 'row' | 'security'): ReadonlySet<number> {
  const name = new RegExp(`(?<=[(\\[{,]\\s*|^\\s*)['"\`]${kind} (\\d+): \\S`, 'gm');
  return new Set(sources.flatMap((source) => [...source.matchAll(name)].map(([, number]) => Number(number))));
}

const numbersIn = (list: object): readonly number[] => Object.keys(list).map(Number);

describe.each([
  ['row', ROWS, 112],
  ['security', SECURITY, 15],
] as const)('the list "%s"', (kind, list, length) => {
  const tested = numbersOf(kind);

  it('is complete', () => {
    expect(numbersIn(list)).toEqual(Array.from({ length }, (_, index) => index + 1));
  });

  it.each(Object.entries(list))(`has a test of ${kind} %s: %s`, (number) => {
    expect(tested.has(Number(number))).toBe(true);
  });

  it('names no test by a number that it does not have', () => {
    expect([...tested].filter((number) => !numbersIn(list).includes(number))).toEqual([]);
  });
});
