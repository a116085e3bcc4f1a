import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodePhoto, mergeNeeds } from '../../../src/tasks/image/decode.js';
import { pixelNeedOf } from '../../../src/tasks/image/preprocess.js';
import { configureSharp } from '../../../src/tasks/image/sharp.js';
import { planShrink } from '../../../src/tasks/image/shrink.js';
import type { Photo, PixelNeed } from '../../../src/tasks/task.js';
import {
  cosine,
  EXACT,
  FAST,
  FIXTURES,
  grainyJpeg,
  openVision,
  PREPROCESS,
  withOrientation,
  toTensor,
} from '../../support/pictures.js';

const NEED = pixelNeedOf(PREPROCESS['clip-tiny']);
const made = new Map<string, Promise<Buffer>>();

/** Made once for all orientations. */
async function orientedJpeg(name: string, width: number, height: number, orientation: number): Promise<Buffer> {
  const key = `${name} ${width} ${height}`;
  const upright = made.get(key) ?? grainyJpeg(name, width, height, 1);
  made.set(key, upright);
  return withOrientation(await upright, orientation);
}

describe('planShrink', () => {
  it.each([
    [4000, 3000, 746, 560, 4],
    [4032, 3024, 746, 560, 4],
    [6000, 4000, 840, 560, 4],
    [8000, 6000, 746, 560, 8],
    [2400, 1800, 746, 560, 2],
  ])('takes %i x %i to %i x %i, for which the decoder shrinks by %i', (width, height, toWidth, toHeight) => {
    expect(planShrink({ width, height, orientation: 1 }, [NEED])).toMatchObject({ width: toWidth, height: toHeight });
  });

  it('decodes in full where the decoder could not shrink by 2', () => {
    expect(planShrink({ width: 1679, height: 1679, orientation: 1 }, [NEED])).toBeUndefined();
    expect(planShrink({ width: 1680, height: 1680, orientation: 1 }, [NEED])).toBeDefined();
    expect(planShrink({ width: 65_000, height: 300, orientation: 1 }, [NEED])).toBeUndefined();
  });

  it('keeps at least twice of what is needed, and shows a region inside the original, for any size', () => {
    const anySize = fc.record({
      width: fc.integer({ min: 1, max: 65_535 }),
      height: fc.integer({ min: 1, max: 65_535 }),
      orientation: fc.integer({ min: 1, max: 8 }),
      side: fc.constantFrom(32, 224, 384),
    });
    fc.assert(
      fc.property(anySize, ({ side, ...stored }) => {
        const shrink = planShrink(stored, [{ width: side, height: side, mode: 'squash' }]);
        if (shrink === undefined) return;
        const upright = stored.orientation >= 5 ? { width: stored.height, height: stored.width } : stored;
        expect(Math.min(shrink.width, shrink.height)).toBeGreaterThanOrEqual(side * 2);
        expect(shrink.region.left + shrink.region.width).toBeLessThanOrEqual(upright.width);
        expect(shrink.region.top + shrink.region.height).toBeLessThanOrEqual(upright.height);
        expect(shrink.region.width).toBeGreaterThan(upright.width - 8);
        expect(shrink.region.height).toBeGreaterThan(upright.height - 8);
      }),
      { seed: 20_260, numRuns: 1000 },
    );
  });
});

describe('a picture that will be fitted into a square', () => {
  const inside: PixelNeed = { width: 640, height: 640, mode: 'inside' };

  it.each([
    [4000, 3000, 1, 1280, 960],
    [3000, 4000, 1, 960, 1280],
    [4000, 3000, 6, 960, 1280],
    [8000, 1000, 1, 1280, 160],
    [3840, 3840, 1, 1280, 1280],
  ])(
    'keeps twice of it at the longer side: %i x %i, orientation %i',
    (width, height, orientation, toWidth, toHeight) => {
      const shrink = planShrink({ width, height, orientation }, [inside]);
      expect(shrink).toMatchObject({ width: toWidth, height: toHeight });
    },
  );

  it('comes in full where a reduction would bring nothing', () => {
    expect(planShrink({ width: 3839, height: 3839, orientation: 1 }, [inside])).toBeUndefined();
  });

  it('keeps as much as others need', () => {
    const stored = { width: 8000, height: 2000, orientation: 1 };
    expect(planShrink(stored, [inside])).toMatchObject({ width: 1280, height: 320 });
    expect(planShrink(stored, [inside, NEED])).toMatchObject({ width: 2240, height: 560 });
    expect(planShrink({ ...stored, height: 1000 }, [inside, NEED])).toBeUndefined();
  });
});

describe('a photo of which all may be wanted later', () => {
  const need = [{ width: 640, height: 640, mode: 'inside', orFull: true }] as const;

  it('comes shrunk, and in full when it is asked for', async () => {
    configureSharp({ blockDecoders: true });
    const jpeg = await orientedJpeg('gravel.webp', 4001, 3003, 6);
    const photo = await decodePhoto(jpeg, { settings: FAST, need });
    expect(photo).toMatchObject({ width: 960, height: 1280, originalWidth: 3003, originalHeight: 4001 });
    const { data, width, height, ...rest } = (await photo.inFull?.())!;
    const full = await decodePhoto(jpeg, { settings: FAST });
    expect([width, height, rest]).toEqual([3003, 4001, { originalWidth: 3003, originalHeight: 4001 }]);
    expect(Buffer.compare(data, full.data)).toBe(0);
  });

  it('has nothing more where it came in full', async () => {
    const jpeg = await grainyJpeg('chelsea.jpg', 3800, 300);
    expect(await decodePhoto(jpeg, { settings: FAST, need })).not.toHaveProperty('inFull');
    const large = await orientedJpeg('gravel.webp', 4001, 3003, 1);
    expect(await decodePhoto(large, { settings: EXACT, need })).not.toHaveProperty('inFull');
    expect(await decodePhoto(large, { settings: FAST, need: [NEED] })).not.toHaveProperty('inFull');
  });
});

describe('mergeNeeds', () => {
  const squash: PixelNeed = { width: 384, height: 224, mode: 'squash' };

  it('is all of them, and the greediest decides', () => {
    const needs = mergeNeeds([NEED, squash]);
    expect(needs).toEqual([NEED, squash]);
    const stored = { width: 4000, height: 3000, orientation: 1 };
    expect(planShrink(stored, needs as readonly PixelNeed[])).toEqual(planShrink(stored, [squash]));
    expect(planShrink(stored, [squash])).toMatchObject({ width: 960, height: 720 });
  });

  it('is everything as soon as one consumer needs that, or none is named', () => {
    expect(mergeNeeds([NEED, 'full', squash])).toBe('full');
    expect(mergeNeeds([])).toBe('full');
  });
});

describe('a JPEG that is needed in full, and smaller', () => {
  it.each([
    ['gravel.webp', 2999, 2251, 1, 749, 562],
    ['chelsea.jpg', 4032, 3024, 6, 756, 1008],
  ])('comes reduced, too, and embeds like the full one: %s', async (name, width, height, orientation, across, down) => {
    configureSharp({ blockDecoders: true });
    const embed = await openVision(`${FIXTURES}models/clip-tiny`);
    const jpeg = await orientedJpeg(name, width, height, orientation);
    const full = await decodePhoto(jpeg, { settings: FAST, need: 'full', reducedNeed: [NEED] });
    expect(full.width * full.height).toBe(width * height);
    expect(full.reduced).toMatchObject({ width: across, height: down, originalWidth: full.width });
    const tensorOf = (photo: Photo): Float32Array => toTensor(photo, PREPROCESS['clip-tiny']);
    // What fast decoding is held to; a forgotten row or column gives 0.99 and less.
    expect(cosine(await embed(tensorOf(full.reduced!)), await embed(tensorOf(full)))).toBeGreaterThan(0.9993);
  });

  it('comes in full alone where nobody can do with less, where the settings say so, and where it is small', async () => {
    const jpeg = await grainyJpeg('chelsea.jpg', 2000, 1800);
    expect(await decodePhoto(jpeg, { settings: FAST, need: 'full' })).not.toHaveProperty('reduced');
    expect(await decodePhoto(jpeg, { settings: EXACT, need: 'full', reducedNeed: [NEED] })).not.toHaveProperty(
      'reduced',
    );
    expect(await decodePhoto(jpeg, { settings: FAST, need: [NEED], reducedNeed: [NEED] })).not.toHaveProperty(
      'reduced',
    );
    const png = await sharp(jpeg).png({ compressionLevel: 1 }).toBuffer();
    expect(await decodePhoto(png, { settings: FAST, need: 'full', reducedNeed: [NEED] })).not.toHaveProperty('reduced');
    const small = await grainyJpeg('chelsea.jpg', 1500, 1100);
    expect(await decodePhoto(small, { settings: FAST, need: 'full', reducedNeed: [NEED] })).not.toHaveProperty(
      'reduced',
    );
  });
});

describe('a JPEG that was shrunk while decoding', () => {
  let embed: Awaited<ReturnType<typeof openVision>>;
  beforeAll(async () => {
    configureSharp({ blockDecoders: true });
    embed = await openVision(`${FIXTURES}models/clip-tiny`);
  });

  // Odd sizes: the decoder then drops up to 7 columns and rows, and a plan that forgets them shows at once.
  it.each([
    ['gravel.webp', 2999, 2251, 1],
    ['gravel.webp', 2999, 2251, 2],
    ['gravel.webp', 2999, 2251, 3],
    ['gravel.webp', 2999, 2251, 4],
    ['gravel.webp', 2999, 2251, 5],
    ['gravel.webp', 2999, 2251, 6],
    ['gravel.webp', 2999, 2251, 7],
    ['gravel.webp', 2999, 2251, 8],
    ['brick.jpg', 3005, 4007, 1],
    ['chelsea.jpg', 4032, 3024, 6],
    ['hubble.jpg', 5063, 5057, 7],
  ])('embeds like the full one: %s at %i x %i, orientation %i', async (name, width, height, orientation) => {
    const jpeg = await orientedJpeg(name, width, height, orientation);
    const exact = await decodePhoto(jpeg, { settings: EXACT, need: [NEED] });
    const fast = await decodePhoto(jpeg, { settings: FAST, need: [NEED] });
    expect(fast.width).toBeLessThan(exact.width / 3);
    expect([fast.originalWidth, fast.originalHeight]).toEqual([exact.width, exact.height]);
    const [one, other] = [toTensor(fast, PREPROCESS['clip-tiny']), toTensor(exact, PREPROCESS['clip-tiny'])];
    // A forgotten row or column, or a wrong factor, gives 0.99 and less.
    expect(cosine(await embed(one), await embed(other))).toBeGreaterThan(0.9993);
  });

  it('comes in full where somebody needs it in full, and where the settings say so', async () => {
    const jpeg = await grainyJpeg('chelsea.jpg', 2000, 1800);
    expect(await decodePhoto(jpeg, { settings: FAST })).toMatchObject({ width: 2000, height: 1800 });
    expect(await decodePhoto(jpeg, { settings: FAST, need: 'full' })).toMatchObject({ width: 2000 });
    expect(await decodePhoto(jpeg, { settings: EXACT, need: [NEED] })).toMatchObject({ width: 2000 });
    expect(await decodePhoto(jpeg, { settings: FAST, need: [NEED] })).toMatchObject({
      width: 622,
      originalWidth: 2000,
    });
  });

  it('is only ever a JPEG: a large PNG comes in full', async () => {
    const png = await sharp(await grainyJpeg('chelsea.jpg', 2000, 1800))
      .png({ compressionLevel: 1 })
      .toBuffer();
    expect(await decodePhoto(png, { settings: FAST, need: [NEED] })).toMatchObject({ width: 2000, height: 1800 });
  });
});
