import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file of the repository, by its path below the root. */
export function readText(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** The repository's own documents, as paths below the root. */
export function listDocuments(): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(path.join(ROOT, folder)).map((name) => path.posix.join(folder, name));
  const further = [
    ...['examples/demo-gallery', 'examples/demo-gallery/model', 'examples/photos', 'test/fixtures'],
    ...['tools/demo-model', 'tools/demo-model/faces', 'tools/export'],
  ].map((folder) => `${folder}/README.md`);
  return [...below('.'), ...below('docs'), ...further].filter((file) => file.endsWith('.md'));
}

const FENCE = /^```(\S*)[^\n]*\n(.*?)^```$/gms;

/** The fenced code blocks, in their order. */
export function codeBlocks(markdown: string): readonly { readonly language: string; readonly code: string }[] {
  return [...markdown.matchAll(FENCE)].map(([, language = '', code = '']) => ({ language, code }));
}

/** A fenced code block and where it is, as `README.md:12`: the line of its fence. */
export interface LocatedBlock {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

/** The fenced code blocks of a file of the repository, in their order. */
export function locatedBlocks(file: string): readonly LocatedBlock[] {
  const text = readText(file);
  return [...text.matchAll(FENCE)].map(({ index, 1: language = '', 2: code = '' }) => {
    return { file, line: text.slice(0, index).split('\n').length, language, code };
  });
}

/** The document without its fenced code blocks. */
export function prose(markdown: string): string {
  return markdown.replace(FENCE, '');
}

/** The headings, in their order. */
export function headings(markdown: string): readonly { readonly level: number; readonly text: string }[] {
  return [...prose(markdown).matchAll(/^(#{1,6}) (.+)$/gm)].map(([, marks = '', text = '']) => ({
    level: marks.length,
    text,
  }));
}

/** The cells of all table rows below the headings of the tables. */
export function tableRows(markdown: string): readonly (readonly string[])[] {
  const lines = prose(markdown).split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !isRule(line) && !isRule(lines[index + 1] ?? ''))
    .map((line) =>
      line
        .replace(/^\||\|$/g, '')
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

/** The contents of all inline code. */
export function inlineCode(text: string): readonly string[] {
  return [...prose(text).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

function isRule(line: string): boolean {
  return /^\|[\s|:-]+\|$/.test(line);
}
