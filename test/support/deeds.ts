import type { JobType } from '../../dist/index.js';

/** Jobs for the task `deadly` of the fixtures: `{"id":1,"deed":"abort"}`. */
export const DEEDS: JobType = {
  name: 'deed',
  parse: (text) => {
    const { id, deed } = JSON.parse(text) as { id: number; deed: string };
    return { type: 'deed', id: String(id), tasks: ['deadly'], input: { kind: 'text', text: deed }, fields: {} };
  },
};

/** `count` jobs that do something harmless, numbered from 1, but for those with an entry in `deeds`. */
export function deeds(count: number, special: Readonly<Record<number, string>>, harmless = 'nothing'): string[] {
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({ id: index + 1, deed: special[index + 1] ?? harmless }),
  );
}

/** The numbers from 1 to `count` as texts, without some. */
export function ids(count: number, ...without: readonly number[]): string[] {
  return Array.from({ length: count }, (_, index) => index + 1)
    .filter((id) => !without.includes(id))
    .map(String);
}
