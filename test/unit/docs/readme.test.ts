import { describe, expect, it } from 'vitest';
import { codeBlocks, headings, readText, tableRows } from '../../support/markdown.js';

const english = readText('README.md');
const chinese = readText('README.zh-CN.md');

describe('the two READMEs', () => {
  it('have the same sections in the same order', () => {
    const levels = (text: string): readonly number[] => headings(text).map(({ level }) => level);
    expect(levels(english).length).toBeGreaterThan(10);
    expect(levels(chinese)).toEqual(levels(english));
  });

  it('have the same code blocks', () => {
    expect(codeBlocks(english).length).toBeGreaterThan(10);
    expect(codeBlocks(chinese)).toEqual(codeBlocks(english));
  });

  it('have as many table rows and the same links', () => {
    const targets = (text: string): readonly string[] =>
      [...text.matchAll(/\]\(([^)]+)\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !target.startsWith('README'));
    expect(tableRows(chinese)).toHaveLength(tableRows(english).length);
    expect(targets(chinese)).toEqual(targets(english));
  });

  it('name the same figures', () => {
    const figures = (text: string): readonly string[] => [...text.matchAll(/[01]\.\d{3,}/g)].map(([figure]) => figure);
    expect(figures(english).length).toBeGreaterThan(0);
    expect(figures(chinese)).toEqual(figures(english));
  });
});

describe('examples in the documents', () => {
  it.each([
    ['README.md', 'examples/01-hello.js'],
    ['docs/adding-a-task.md', 'examples/04-own-task/average-color.js'],
  ])('%s shows %s as it is', (document, example) => {
    expect(codeBlocks(readText(document)).map(({ code }) => code)).toContain(readText(example));
  });
});
