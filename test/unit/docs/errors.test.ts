import { describe, expect, it } from 'vitest';
import { ERROR_FACTS } from '../../../src/errors.js';
import { inlineCode, listDocuments, readText, tableRows } from '../../support/markdown.js';

const page = readText('docs/errors.md');

interface Row {
  readonly retry: string;
  readonly reason: string;
  readonly maxAttempts?: number;
}

const documented: Record<string, Row> = Object.fromEntries(
  tableRows(page).map(([code = '', retry = '', reason = '', attempts = '']) => [
    unquote(code),
    {
      retry: unquote(retry),
      reason: unquote(reason),
      ...(attempts === '' ? {} : { maxAttempts: Number(attempts) }),
    },
  ]),
);

describe('docs/errors.md', () => {
  it('has every code of the library and no other', () => {
    expect(Object.keys(documented).sort()).toEqual(Object.keys(ERROR_FACTS).sort());
  });

  it.each(Object.entries(ERROR_FACTS))('says of %s what the code says', (code, facts) => {
    expect(documented[code]).toEqual(facts);
  });

  it('says of every code what happened and what to do', () => {
    for (const [code, , , , happened, advice] of tableRows(page)) {
      expect(happened, code).toMatch(/\w/);
      expect(advice, code).toMatch(/\w/);
    }
  });
});

describe('all documents', () => {
  const prefixes = [...new Set(Object.keys(ERROR_FACTS).map((code) => code.split('_', 1)[0] ?? ''))].join('|');
  const looksLikeCode = new RegExp(`^(?:${prefixes})_[A-Z_]+$`);
  /** Begin like a code, but are other things. */
  const others = new Set(['MODEL_*', 'FILE_*', 'IMAGE_*']);

  it.each(listDocuments())('%s names only codes that exist', (file) => {
    const named = inlineCode(readText(file)).filter((text) => looksLikeCode.test(text) && !others.has(text));
    expect(named.filter((text) => !Object.hasOwn(ERROR_FACTS, text))).toEqual([]);
  });
});

function unquote(cell: string): string {
  return cell.replace(/^`|`$/g, '');
}
