import { beforeAll, describe, expect, it } from 'vitest';
import { decodePhoto } from '../../../src/tasks/image/decode.js';
import { pixelNeedOf } from '../../../src/tasks/image/preprocess.js';
import { configureSharp } from '../../../src/tasks/image/sharp.js';
import {
  cosine,
  EXACT,
  FAST,
  FIXTURES,
  GOLDEN,
  MODEL_NAMES,
  openVision,
  ourView,
  PREPROCESS,
  readJson,
  readPicture,
  sha256,
  toTensor,
} from '../../support/pictures.js';

beforeAll(() => {
  configureSharp({ blockDecoders: true });
});

describe.each(MODEL_NAMES)('the tensor that %s gets', (model) => {
  const { images } = GOLDEN.models[model]!;

  it.each(Object.entries(images))('is bit-equal to what Python makes of %s', async (name, image) => {
    const photo = await decodePhoto(readPicture(name), { settings: EXACT, need: [pixelNeedOf(PREPROCESS[model])] });
    expect(sha256(toTensor(photo, PREPROCESS[model]))).toBe(ourView(image).sha256);
  });

  it('is bit-equal to what the Python runner made of a turned photo, with `orientation: ignore`', async () => {
    const photo = await decodePhoto(readPicture('exif_6.jpg'), { settings: { ...EXACT, orientation: 'ignore' } });
    expect(sha256(toTensor(photo, PREPROCESS[model]))).toBe(images['exif_6.jpg']!.views['pil']!.sha256);
  });
});

describe('pictures that Pillow made for this repository', () => {
  const { pictures } = readJson('golden/pillow.json') as { pictures: Record<string, { clip: string; siglip: string }> };

  it.each(Object.entries(pictures))('give the pixels that Pillow gives for %s', async (name, golden) => {
    const photo = await decodePhoto(readPicture(name), { settings: EXACT });
    expect(sha256(toTensor(photo, PREPROCESS['clip-tiny']))).toBe(golden.clip);
    expect(sha256(toTensor(photo, PREPROCESS['siglip-tiny']))).toBe(golden.siglip);
  });
});

describe.each(['clip-tiny', 'siglip-tiny'] as const)('the embedding that %s makes', (model) => {
  let embed: Awaited<ReturnType<typeof openVision>>;
  beforeAll(async () => {
    embed = await openVision(`${FIXTURES}models/${model}`);
  });

  it.each(Object.entries(GOLDEN.models[model]!.images))(
    'of %s points where the Python one points',
    async (name, image) => {
      for (const settings of [EXACT, FAST]) {
        const photo = await decodePhoto(readPicture(name), { settings, need: [pixelNeedOf(PREPROCESS[model])] });
        const embedding = await embed(toTensor(photo, PREPROCESS[model]));
        expect(cosine(embedding, ourView(image).embedding!)).toBeGreaterThan(0.99999);
      }
    },
  );
});
