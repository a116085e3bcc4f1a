import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createRunner } from '../../dist/index.js';
import { captionIds } from '../support/captioner.js';

/** The whole reference set lies beside a checkout of the project's own; a user's clone has only `test/fixtures`. */
const REFERENCE = fileURLToPath(new URL('../../../shared/reference', import.meta.url));
const isHere = existsSync(REFERENCE);

interface Captions {
  readonly [length: string]: { readonly ids: readonly number[]; readonly text: string };
}

interface Golden {
  readonly strict: boolean;
  readonly stable: boolean;
  readonly captions: Captions;
  readonly captions_exif?: Captions;
}

const golden = isHere
  ? (
      JSON.parse(readFileSync(path.join(REFERENCE, 'golden', 'blip-tiny.json'), 'utf8')) as {
        images: Record<string, Golden>;
      }
    ).images
  : {};
const BLIP = path.join(REFERENCE, 'models', 'blip-tiny');

const pictures = (names: readonly string[]): string[] => names.map((name) => path.join(REFERENCE, 'images', name));

function wanted(name: string): Captions {
  const facts = golden[name];
  if (facts === undefined) throw new Error(`no golden of ${name}`);
  return facts.captions_exif ?? facts.captions;
}

describe.runIf(isHere)("captions of the reference's BLIP", () => {
  const strict = Object.keys(golden).filter((name) => golden[name]?.strict === true);

  it.each([1, 8])('has the ids of the reference for every strict picture, in batches of %i', async (batch) => {
    for (const maxNewTokens of [64, 8]) {
      const ids = await captionIds(BLIP, pictures(strict), { maxNewTokens, batch });
      const own = strict.map((name) => wanted(name)[maxNewTokens]?.ids);
      expect(Object.fromEntries(strict.map((name, index) => [name, ids[index]]))).toEqual(
        Object.fromEntries(strict.map((name, index) => [name, own[index]])),
      );
    }
  });

  it.each(['exact', 'fast'] as const)('has the sentences of the reference with resample %s', async (resample) => {
    const names = strict.filter((name) => resample === 'exact' || golden[name]?.stable === true);
    const runner = createRunner({
      models: `clip-tiny=${path.join(REFERENCE, 'models', 'clip-tiny')}`,
      ...{ tasks: ['clip', 'caption'], captionModel: BLIP, roots: [REFERENCE], device: 'cpu', resample },
    });
    await runner.start();
    try {
      const captions = await runner.describeImages(pictures(names));
      expect(captions.map(({ text }) => text)).toEqual(names.map((name) => wanted(name)['64']?.text));
      console.log(`resample ${resample}: ${names.length} captions equal the reference's`);
    } finally {
      await runner.stop();
    }
  });
});

describe.runIf(!isHere)("captions of the reference's BLIP", () => {
  it.skip(`are compared only where the reference set lies (${REFERENCE})`, () => undefined);
});
