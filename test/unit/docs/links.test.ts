import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks, headings, inlineCode, listDocuments, prose, readText, ROOT } from '../../support/markdown.js';

const documents = listDocuments();
const packageFacts = JSON.parse(readText('package.json')) as { scripts: Record<string, string> };

/** Commands that npm knows without a script. */
const NPM_RUNS = /\bnpm run (?:-s |--silent )?([\w:-]+)/g;
const REPOSITORY_PATH = /^(?:src|test|examples|scripts|bench|deploy|docs|tools)\/[\w./-]+$/;

describe.each(documents)('%s', (file) => {
  const text = readText(file);
  const code = codeBlocks(text).map((block) => block.code);

  it('links to files and headings that exist', () => {
    for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [linked = '', anchor] = target.split('#');
      const at = linked === '' ? file : path.posix.join(path.posix.dirname(file), linked);
      expect(existsSync(path.join(ROOT, at)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(at), target).toContain(anchor);
    }
  });

  it('names only npm scripts that exist', () => {
    for (const [, script = ''] of text.matchAll(NPM_RUNS)) expect(Object.keys(packageFacts.scripts)).toContain(script);
  });

  it('names only paths that exist', () => {
    const words = code.flatMap((block) => block.split(/[\s'"`,;()[\]{}]+/));
    // A bare folder name in code may be anything; a file has an ending.
    const named = [
      ...inlineCode(text).flatMap((inline) => inline.split(' ')),
      ...words.filter((word) => /\.\w+$/.test(word)),
    ];
    for (const name of named.filter((word) => REPOSITORY_PATH.test(word))) {
      expect(existsSync(path.join(ROOT, name)), name).toBe(true);
    }
  });

  it('tells nothing of the machine that it was written on', () => {
    expect(text).not.toMatch(/(?:^|[\s`'"(])\/(?:work|root|tmp)\//m);
  });
});

describe('all documents together', () => {
  it('can be reached from the README', () => {
    const seen = new Set<string>();
    const queue = ['README.md'];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      for (const [, target = ''] of prose(readText(file)).matchAll(/\]\(([^)#\s]+\.md)[^)]*\)/g)) {
        if (!/^[a-z]+:/.test(target)) queue.push(path.posix.join(path.posix.dirname(file), target));
      }
    }
    expect(
      documents.filter((file) => !file.includes('/') || file.startsWith('docs/')).filter((file) => !seen.has(file)),
    ).toEqual([]);
  });
});

/** Anchors as GitHub makes them. */
function anchorsOf(file: string): readonly string[] {
  return headings(readText(file)).map(({ text }) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
