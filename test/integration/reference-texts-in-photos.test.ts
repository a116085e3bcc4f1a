import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner, type TextLine } from '../../dist/index.js';
import { differenceOf, expectWithinTolerance, foldText, sumDifferences, type GoldenLine } from '../support/texts.js';

/** The whole reference set lies beside a checkout of the project's own; a user's clone lacks it. */
const REFERENCE = fileURLToPath(new URL('../../../shared/reference/ocr', import.meta.url));
const isHere = existsSync(REFERENCE);

interface Golden {
  readonly width: number;
  readonly height: number;
  readonly items: readonly GoldenLine[];
}

/** The reference itself reads these differently with other batches. */
const UNSTEADY = ['skimage_text.png', 'shapes.png', 'tiny_strip.png'];

describe.runIf(isHere)('the reference set of texts in photos', () => {
  const names = isHere ? readdirSync(path.join(REFERENCE, 'images')).sort() : [];
  const readGolden = (name: string): Golden =>
    JSON.parse(readFileSync(path.join(REFERENCE, 'golden', 'rapidocr', `${name}.json`), 'utf8')) as Golden;
  let runner: Runner;
  let photos: (readonly TextLine[])[];
  beforeAll(async () => {
    runner = createRunner({ tasks: ['ocr'], device: 'cpu' });
    await runner.start();
    photos = await runner.readTexts(names.map((name) => path.join(REFERENCE, 'images', name)));
  }, 900_000);
  afterAll(() => runner.stop());

  it('is read within its tolerances', () => {
    const differences = names.map((name, index) => {
      const { items, width, height } = readGolden(name);
      return differenceOf(photos[index] ?? [], items, Math.max(width, height));
    });
    const sum = sumDifferences(differences);
    console.log('texts in photos against the reference:', JSON.stringify(sum));
    expect(sum.lines).toBe(74);
    expect(photos.flat()).toHaveLength(74);
    expectWithinTolerance(sum);
  });

  it('gives the lines of each picture in the same order', () => {
    names.forEach((name, index) => {
      if (UNSTEADY.includes(name)) return;
      const expected = readGolden(name).items.map(({ text }) => foldText(text));
      expect(
        photos[index]?.map(({ text }) => foldText(text)),
        name,
      ).toEqual(expected);
    });
  });

  it('has no text where there is none', () => {
    for (const name of ['blank.png', 'no_text.jpg']) expect(photos[names.indexOf(name)], name).toEqual([]);
  });
});
