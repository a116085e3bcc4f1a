import { expect } from 'vitest';
import type { TextLine } from '../../dist/index.js';

/** A line of a golden of the reference: what RapidOCR reads, and where. */
export interface GoldenLine {
  readonly text: string;
  readonly conf: number;
  readonly bbox: readonly (readonly [number, number])[];
}

/** How the lines of one picture differ from a golden. */
export interface TextDifference {
  /** Characters that must be changed, and those that there are, spaces and widths of punctuation left out of account. */
  readonly errors: number;
  readonly characters: number;
  readonly lines: number;
  /** Lines whose corners are each within 3 pixels and 1 % of the longer side. */
  readonly placed: number;
  /** Lines whose confidence is within 0.05. */
  readonly sure: number;
}

/** Without white space, and with full-width punctuation as the plain one. */
export function foldText(text: string): string {
  return text.normalize('NFKC').replace(/\s+/gu, '');
}

export function differenceOf(
  lines: readonly TextLine[],
  golden: readonly GoldenLine[],
  longerSide: number,
): TextDifference {
  const [own, expected] = [lines, golden].map((all) => foldText(all.map(({ text }) => text).join('\n')));
  const isPlaced = ({ bbox }: GoldenLine, index: number): boolean =>
    bbox.flat().every((value, at) => {
      const mine = lines[index]?.corners.flat()[at] ?? NaN;
      return Math.abs(mine - value) <= 3 + longerSide / 100;
    });
  return {
    errors: editDistance(own ?? '', expected ?? ''),
    characters: Array.from(expected ?? '').length,
    lines: golden.length,
    placed: golden.filter(isPlaced).length,
    sure: golden.filter(({ conf }, index) => Math.abs((lines[index]?.confidence ?? NaN) - conf) <= 0.05).length,
  };
}

/** The sums over several pictures. */
export function sumDifferences(differences: readonly TextDifference[]): TextDifference {
  const sum = (name: keyof TextDifference): number => differences.reduce((total, each) => total + each[name], 0);
  return {
    errors: sum('errors'),
    characters: sum('characters'),
    lines: sum('lines'),
    placed: sum('placed'),
    sure: sum('sure'),
  };
}

/** The tolerances of the reference: an error in a hundred characters, and 95 of 100 lines in place and as sure. */
export function expectWithinTolerance({ errors, characters, lines, placed, sure }: TextDifference): void {
  expect(errors / characters).toBeLessThanOrEqual(0.01);
  expect(placed / lines).toBeGreaterThanOrEqual(0.95);
  expect(sure / lines).toBeGreaterThanOrEqual(0.95);
}

/** Levenshtein's distance of two texts, in characters. */
function editDistance(one: string, other: string): number {
  const letters = Array.from(other);
  let row = Array.from({ length: letters.length + 1 }, (_, i) => i);
  for (const letter of one) {
    const next = [(row[0] ?? 0) + 1];
    letters.forEach((candidate, i) => {
      next.push(Math.min((row[i] ?? 0) + (candidate === letter ? 0 : 1), (row[i + 1] ?? 0) + 1, (next[i] ?? 0) + 1));
    });
    row = next;
  }
  return row.at(-1) ?? 0;
}
