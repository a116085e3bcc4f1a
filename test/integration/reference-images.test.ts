import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunnerError } from '../../src/errors.js';
import { decodePhoto } from '../../src/tasks/image/decode.js';
import { pixelNeedOf } from '../../src/tasks/image/preprocess.js';
import { configureSharp } from '../../src/tasks/image/sharp.js';
import {
  cosine,
  EXACT,
  FAST,
  hasReference,
  MODEL_NAMES,
  openVision,
  PREPROCESS,
  REFERENCE,
  sha256,
  type ModelName,
  toTensor,
} from '../support/pictures.js';

/**
 * All pictures of the full reference set, some of which may not be passed on and so are not among the fixtures. Prints
 * how near the embeddings are to those of Python.
 */

interface Reference {
  readonly strict: boolean;
  readonly pixel_values: { readonly sha256: string };
  readonly pixel_values_exif?: { readonly sha256: string };
  readonly embedding?: readonly number[];
  readonly embedding_exif?: readonly number[];
}

interface Row {
  readonly name: string;
  readonly isStrict: boolean;
  readonly isEqual: boolean;
  readonly isShrunk: boolean;
  readonly exact: number;
  readonly fast: number;
}

const where = hasReference ? '' : ' (skipped: there is no ../shared/reference beside this checkout)';

describe.skipIf(!hasReference)(`the reference pictures${where}`, () => {
  const summaries: string[] = [];
  beforeAll(() => {
    configureSharp({ blockDecoders: true });
  });
  afterAll(() => {
    console.log(summaries.join('\n'));
  });

  it.each(MODEL_NAMES.filter((model) => model !== 'blip-tiny'))('embed with %s as they do in Python', async (model) => {
    const rows = await measure(model);
    const strict = rows.filter((row) => row.isStrict);
    summaries.push(summarise(model, strict));
    expect(strict.filter((row) => !row.isEqual).map((row) => row.name)).toEqual([]);
    for (const { name, exact, fast, isShrunk } of strict) {
      expect(exact, name).toBeGreaterThan(0.9999);
      expect(fast, name).toBeGreaterThan(isShrunk ? 0.9995 : 0.9999);
    }
    expect(strict.some((row) => row.isShrunk)).toBe(true);
  });

  it('make the very pixels that Python gives the captioner', async () => {
    const images = readImages('blip-tiny');
    for (const [name, image] of images.filter(([, { strict }]) => strict)) {
      const photo = await decodePhoto(readFileSync(`${REFERENCE}images/${name}`), { settings: EXACT });
      expect(sha256(toTensor(photo, PREPROCESS['blip-tiny'])), name).toBe(goldenPixels(image));
    }
  });

  it.each(hasReference ? readdirSync(`${REFERENCE}images/bad`) : [])(
    'refuse %s for good, or for now if it is empty',
    async (name) => {
      const bytes = readFileSync(`${REFERENCE}images/bad/${name}`);
      const error: unknown = await decodePhoto(bytes, { settings: FAST }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(RunnerError);
      expect((error as RunnerError).retry).toBe(bytes.length === 0 ? 'later' : 'never');
    },
  );
});

function readImages(model: ModelName): [string, Reference][] {
  const golden = JSON.parse(readFileSync(`${REFERENCE}golden/${model}.json`, 'utf8')) as {
    images: Record<string, Reference>;
  };
  return Object.entries(golden.images);
}

function goldenPixels({ pixel_values, pixel_values_exif }: Reference): string {
  return (pixel_values_exif ?? pixel_values).sha256;
}

async function measure(model: ModelName): Promise<Row[]> {
  const preprocess = PREPROCESS[model];
  const need = [pixelNeedOf(preprocess)];
  const embed = await openVision(`${REFERENCE}models/${model}`);
  const rows: Row[] = [];
  for (const [name, image] of readImages(model)) {
    const bytes = readFileSync(`${REFERENCE}images/${name}`);
    const golden = (image.embedding_exif ?? image.embedding)!;
    const exact = await decodePhoto(bytes, { settings: EXACT, need });
    const fast = await decodePhoto(bytes, { settings: FAST, need });
    const tensor = toTensor(exact, preprocess);
    rows.push({
      name,
      isStrict: image.strict,
      isEqual: sha256(tensor) === goldenPixels(image),
      isShrunk: fast.width < exact.width,
      exact: cosine(await embed(tensor), golden),
      fast: cosine(await embed(toTensor(fast, preprocess)), golden),
    });
  }
  return rows;
}

function summarise(model: string, rows: readonly Row[]): string {
  const of = (pick: (row: Row) => number): string => {
    const values = rows.map(pick);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return `${Math.min(...values).toFixed(6)} / ${mean.toFixed(6)}`;
  };
  const equal = rows.filter((row) => row.isEqual).length;
  const shrunk = rows.filter((row) => row.isShrunk).map((row) => `${row.name} ${row.fast.toFixed(6)}`);
  return (
    `${model}: ${equal} of ${rows.length} strict pictures bit-equal; cosine min / mean: ` +
    `exact ${of((row) => row.exact)}, fast ${of((row) => row.fast)} (shrunk: ${shrunk.join(', ')})`
  );
}
