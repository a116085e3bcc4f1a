import type { Variable } from '../variable.js';
import { VARIABLES } from '../variables.js';

/** Settings that most must look at come first, and stand there to be filled in. */
const FIRST = ['redisUrl', 'apiBaseUrl', 'token', 'models', 'embeddingDim', 'projectRoot'] as const;

/** The longest line of a comment. */
const WIDTH = 100;

/** A `.env` with every setting: the first ones set to their defaults, the others in comments. */
export function environmentFile(): string {
  const table: Readonly<Record<string, Variable<unknown>>> = VARIABLES;
  const others = Object.entries(table).flatMap(([name, entry]) => (isFirst(name) ? [] : [entry]));
  return [
    '# Settings of clip-runner, read from the working directory. What the environment or a flag says goes first.',
    '# An empty value means the default. Keep this file to yourself: it holds tokens.',
    '',
    ...FIRST.flatMap((name) => section(table[name], '')),
    '# The others, with their defaults. Take the mark away to set one.',
    '',
    ...others.flatMap((entry) => section(entry, '#')),
  ].join('\n');
}

function isFirst(name: string): boolean {
  return FIRST.some((first) => first === name);
}

function section(entry: Variable<unknown> | undefined, mark: '' | '#'): readonly string[] {
  if (entry === undefined) return [];
  return [...comment(entry.help), `${mark}${entry.env}=${entry.default}`, ''];
}

/** Lines of `# …`, broken between words. */
function comment(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines;
}
