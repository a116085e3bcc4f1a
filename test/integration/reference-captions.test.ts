import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createRunner } from '../../dist/index.js';
import { resolveCaptionModel } from '../../src/models/resolve-caption.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { openCaptioner } from '../../src/tasks/caption/captioner.js';
import { decodePhoto } from '../../src/tasks/image/decode.js';
import { toTensor } from '../../src/tasks/image/preprocess.js';

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

function wanted(name: string): Captions {
  const facts = golden[name];
  if (facts === undefined) throw new Error(`no golden of ${name}`);
  return facts.captions_exif ?? facts.captions;
}

describe.runIf(isHere)("captions of the reference's BLIP", () => {
  const strict = Object.keys(golden).filter((name) => golden[name]?.strict === true);

  it.each([1, 8])('has the ids of the reference for every strict picture, in batches of %i', async (batch) => {
    const model = await resolveCaptionModel(BLIP);
    const session = { device: 'cpu', strictDevice: false, intraOpThreads: 2 } as const;
    const encoder = await openOnnxSession(model.encoderFile, session);
    const decoder = await openOnnxSession(model.decoderFile, session);
    const settings = {
      ...({ orientation: 'apply', resample: 'exact' } as const),
      ...{ roots: [], maxFileBytes: 1e9, maxPixels: 1e8, decodeTimeoutMs: 30_000 },
      ...{ decodeConcurrency: 1, blockDecoders: false },
    };
    for (const maxNewTokens of [64, 8]) {
      const captioner = await openCaptioner({ encoder, decoder, model, maxNewTokens, maxBatch: batch });
      for (let start = 0; start < strict.length; start += batch) {
        const names = strict.slice(start, start + batch);
        const tensors = await Promise.all(
          names.map(async (name) => {
            const bytes = await readFile(path.join(REFERENCE, 'images', name));
            return toTensor(await decodePhoto(bytes, { settings, need: 'full' }), model.preprocess);
          }),
        );
        const ids = await captioner.describe(tensors);
        names.forEach((name, index) => {
          const { ids: own = [] } = wanted(name)[maxNewTokens] ?? {};
          expect([model.startId, ...(ids[index] as readonly number[])], name).toEqual(own);
        });
      }
    }
    await encoder.close();
    await decoder.close();
  });

  it.each(['exact', 'fast'] as const)('has the sentences of the reference with resample %s', async (resample) => {
    const names = strict.filter((name) => resample === 'exact' || golden[name]?.stable === true);
    const runner = createRunner({
      models: `clip-tiny=${path.join(REFERENCE, 'models', 'clip-tiny')}`,
      ...{ tasks: ['clip', 'caption'], captionModel: BLIP, roots: [REFERENCE], device: 'cpu', resample },
    });
    await runner.start();
    try {
      const captions = await runner.describeImages(names.map((name) => path.join(REFERENCE, 'images', name)));
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
