import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { RunnerError, type ErrorCode } from '../../../src/errors.js';
import { decodePhoto, type DecodeSettings } from '../../../src/tasks/image/decode.js';
import { pixelNeedOf } from '../../../src/tasks/image/preprocess.js';
import { explainFailure } from '../../../src/tasks/image/decode-errors.js';
import { configureSharp } from '../../../src/tasks/image/sharp.js';
import { firstWebpFrame } from '../../../src/tasks/image/webp-frame.js';
import type { Photo } from '../../../src/tasks/task.js';
import { manyScansJpeg, onebitPng, webpOfFrames, withJpegSize, withPngSize } from '../../support/odd-pictures.js';
import {
  cosine,
  EXACT,
  FAST,
  FIXTURES,
  PREPROCESS,
  readPicture,
  sha256,
  withOrientation,
  toTensor,
} from '../../support/pictures.js';

/** Rows are those of the list of bad inputs, see test/support/bad-inputs.ts. */

const NEED = pixelNeedOf(PREPROCESS['clip-tiny']);
const END = Buffer.from([0xff, 0xd9]);

const decode = (bytes: Uint8Array, settings: DecodeSettings = EXACT): Promise<Photo> =>
  decodePhoto(bytes, { settings });

async function failureOf(bytes: Uint8Array, settings: DecodeSettings = EXACT): Promise<RunnerError> {
  const error: unknown = await decode(bytes, settings).then(
    () => new Error('It was decoded.'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RunnerError)) throw new Error('Expected a RunnerError.', { cause: error });
  expect(error.message).not.toMatch(/[\0-\x1f]/);
  expect(error.message.length).toBeLessThan(400);
  return error;
}

async function expectPermanent(bytes: Uint8Array, code: ErrorCode, message?: RegExp): Promise<void> {
  const error = await failureOf(bytes);
  expect(error.code).toBe(code);
  expect(error.retry).toBe('never');
  if (message !== undefined) expect(error.message).toMatch(message);
}

const colour = { r: 200, g: 30, b: 90 };
const plain = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: colour } });

let jpeg: Buffer;
beforeAll(() => {
  configureSharp({ blockDecoders: true });
  jpeg = readPicture('astronaut.jpg');
});

describe('files that are cut off', () => {
  it.each([0.02, 0.1, 0.5, 0.9, 0.99, 0.999])('row 1: refuses a JPEG cut off at %d of its length', async (part) => {
    const cut = jpeg.subarray(0, Math.floor(jpeg.length * part));
    await expectPermanent(cut, 'IMAGE_DECODE');
    expect((await failureOf(cut, FAST)).code).toBe('IMAGE_DECODE');
  });

  it.each([0.1, 0.5, 0.9])('row 1: refuses a progressive JPEG cut off at %d', async (part) => {
    const progressive = readPicture('progressive.jpg');
    await expectPermanent(progressive.subarray(0, Math.floor(progressive.length * part)), 'IMAGE_DECODE');
  });

  it.each(['palette.png', 'lossy.webp', 'anim.webp'])('row 1: refuses %s cut off in the middle', async (name) => {
    const bytes = readPicture(name);
    await expectPermanent(bytes.subarray(0, bytes.length >> 1), 'IMAGE_DECODE');
  });

  it('row 1: refuses an animation whose first frame is cut off, and takes one that ends later', async () => {
    const gif = readPicture('anim.gif');
    await expectPermanent(gif.subarray(0, Math.floor(gif.length * 0.1)), 'IMAGE_DECODE');
    expect(await decode(gif.subarray(0, Math.floor(gif.length * 0.6)))).toMatchObject({ width: 480, height: 400 });
  });

  it.each([
    ['text after the end', () => Buffer.concat([jpeg, Buffer.from('trailing garbage'.repeat(99))])],
    ['another file after the end (a motion photo)', () => Buffer.concat([jpeg, Buffer.alloc(100_000, 0xff)])],
    ['no end marker', () => jpeg.subarray(0, -2)],
    ['two end markers', () => Buffer.concat([jpeg, END])],
  ])('row 2: takes a JPEG with %s', async (_, make) => {
    const whole = await decode(jpeg);
    expect(sha256((await decode(make())).data)).toBe(sha256(whole.data));
  });

  it('row 2: is not deceived by the end marker of a thumbnail', async () => {
    const thumbnail = Buffer.concat([Buffer.from([0xff, 0xe1, 0x00, 0x08]), Buffer.from('ab'), END, END]);
    const withThumbnail = Buffer.concat([jpeg.subarray(0, 2), thumbnail, jpeg.subarray(2)]);
    expect(await decode(withThumbnail)).toMatchObject({ width: 512 });
    expect(await decode(withThumbnail.subarray(0, -2))).toMatchObject({ width: 512 });
    await expectPermanent(withThumbnail.subarray(0, jpeg.length >> 1), 'IMAGE_DECODE');
  });

  it('row 3: says that zero bytes are an empty file, which may get better', async () => {
    const error = await failureOf(readPicture('bad/zero_bytes.jpg'));
    expect([error.code, error.retry]).toEqual(['FILE_EMPTY', 'later']);
  });
});

describe('files that are too large', () => {
  it('row 4: refuses a PNG of 60000 x 60000 from its header', async () => {
    await expectPermanent(readPicture('bad/bomb_60000x60000.png'), 'IMAGE_TOO_LARGE', /60000 x 60000/);
  });

  it('row 4: refuses a real bomb without decoding it', async () => {
    const bomb = onebitPng(40_000, 40_000, Buffer.alloc(40_000 * 5001));
    const before = process.memoryUsage.rss();
    await expectPermanent(bomb, 'IMAGE_TOO_LARGE', /40000 x 40000/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(300e6);
  });

  it('row 5: refuses large WebP, GIF and AVIF pictures from their headers', async () => {
    const settings = { ...EXACT, maxPixels: 1000 };
    for (const bytes of [
      await plain(100, 50).webp().toBuffer(),
      await plain(100, 50).gif().toBuffer(),
      await plain(100, 50).avif({ effort: 0 }).toBuffer(),
    ]) {
      expect((await failureOf(bytes, settings)).code).toBe('IMAGE_TOO_LARGE');
    }
  });

  it('row 5: gives the decoder the first frame of a WebP and its orientation, and leaves still ones alone', async () => {
    const still = await plain(8, 4).webp({ lossless: true }).toBuffer();
    const animation = webpOfFrames(still, 8, 4, 3);
    const exif = await plain(8, 4).withMetadata({ orientation: 6 }).webp({ lossless: true }).toBuffer();
    const block = exif.subarray(exif.indexOf('EXIF'));
    const turned = Buffer.concat([animation, block]);
    turned.writeUInt32LE(turned.length - 8, 4);
    // The flag that says that there is EXIF.
    turned[20] = turned[20]! | 0x08;
    expect(await decode(animation)).toMatchObject({ width: 8, height: 4 });
    expect(await decode(turned)).toMatchObject({ width: 4, height: 8 });
    expect(firstWebpFrame(turned).length).toBe(webpOfFrames(still, 8, 4, 1).length + block.length);
    for (const bytes of [still, exif, animation.subarray(0, -9)]) expect(firstWebpFrame(bytes)).toBe(bytes);
  });

  it('row 6: refuses a header that states more than there is', async () => {
    await expectPermanent(withPngSize(await plain(10, 10).png().toBuffer(), 9000, 10), 'IMAGE_DECODE');
  });

  it.each([
    [1, 1],
    [1, 2],
    [2, 1],
  ])('row 7: takes %i x %i', async (width, height) => {
    const photo = await decode(await plain(width, height).png().toBuffer());
    expect([...photo.data.subarray(0, 3)]).toEqual([200, 30, 90]);
    expect(toTensor(photo, PREPROCESS['clip-tiny'])).toHaveLength(3 * 224 * 224);
  });

  it.each([
    [30_000, 1],
    [1, 30_000],
  ])('row 8: takes %i x %i', async (width, height) => {
    const photo = await decode(await plain(width, height).png().toBuffer());
    for (const preprocess of [PREPROCESS['clip-tiny'], PREPROCESS['siglip-tiny']]) {
      expect(new Set(toTensor(photo, preprocess)).size).toBe(3);
    }
  });

  it('row 8: refuses a side that no camera makes', async () => {
    await expectPermanent(await plain(70_000, 2).png().toBuffer(), 'IMAGE_TOO_LARGE', /70000 x 2/);
  });

  it('row 9: refuses a JPEG whose header says 65535 x 65535', async () => {
    await expectPermanent(withJpegSize(jpeg, 65_535, 65_535), 'IMAGE_TOO_LARGE');
  });
});

describe('colours', () => {
  it('row 10: converts CMYK, also where a fast decoding was asked for', async () => {
    const bytes = readPicture('cmyk.jpg');
    const fast = await decodePhoto(bytes, { settings: FAST, need: [{ width: 50, height: 50, mode: 'squash' }] });
    expect(fast).toMatchObject({ width: 560, height: 420 });
    expect(sha256(fast.data)).toBe(sha256((await decode(bytes)).data));
  });

  it.each([
    'rgb16.png',
    'gray16.png',
    'bilevel.png',
    'palette.png',
    'palette_trns.png',
    'gray.jpg',
    'la.png',
    'rgba.png',
  ])('row 11: makes three 8-bit channels of %s', async (name) => {
    const { data, width, height } = await decode(readPicture(name));
    expect(data).toHaveLength(width * height * 3);
  });

  it('row 13: drops alpha and shows the colour under it, even where it is fully transparent', async () => {
    const pixels = Buffer.from([200, 30, 90, 0, 10, 20, 30, 255]);
    const png = await sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decode(png)).data]).toEqual([200, 30, 90, 10, 20, 30]);
  });

  it.each(['anim.gif', 'anim.webp'])('row 14: takes the first frame of %s', async (name) => {
    expect(await decode(readPicture(name))).toMatchObject({ width: 480, height: 400 });
  });

  it('row 16: takes the numbers as they are, whatever the profile says, and broken profiles too', async () => {
    const p3 = readPicture('p3.jpg');
    const whole = sha256((await decode(p3)).data);
    const broken = Buffer.from(p3);
    broken.fill(0x41, broken.indexOf('ICC_PROFILE') + 30, broken.indexOf('ICC_PROFILE') + 200);
    expect(sha256((await decode(broken)).data)).toBe(whole);
  });

  it.each([8, 10, 12] as const)('row 19: takes AVIF of %i bits', async (bitdepth) => {
    const avif = await plain(64, 48).avif({ bitdepth, effort: 0 }).toBuffer();
    // The box of the bits per channel: name, version and flags, number of channels, bits of the first.
    expect(avif[avif.indexOf('pixi') + 9]).toBe(bitdepth);
    const { data, width, height } = await decode(avif);
    expect([width, height]).toEqual([64, 48]);
    expect(Math.abs(data[0]! - 200)).toBeLessThan(6);
  });
});

describe('orientation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('row 15: sets a photo of orientation %i upright', async (orientation) => {
    const [photo, upright] = [
      await decode(readPicture(`exif_${orientation}.jpg`)),
      await decode(readPicture('exif_1.jpg')),
    ];
    expect([photo.width, photo.height]).toEqual([480, 400]);
    expect(cosine(photo.data, upright.data)).toBeGreaterThan(0.999);
  });

  it.each([0, 9, 65_535])('row 15: ignores the meaningless orientation %i', async (orientation) => {
    const bytes = withOrientation(readPicture('exif_6.jpg'), orientation);
    for (const settings of [EXACT, FAST]) {
      const photo = await decodePhoto(bytes, { settings, need: [{ width: 30, height: 30, mode: 'squash' }] });
      expect([photo.originalWidth, photo.originalHeight]).toEqual([400, 480]);
    }
  });
});

describe('files that are something else', () => {
  it('row 17: goes by the content, not by the name', async () => {
    expect(await decode(readPicture('png_named.jpg'))).toMatchObject({ width: 530, height: 400 });
  });

  it('row 18: says of HEIC what is missing', async () => {
    const box = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic\0\0\0\0mif1heic'), Buffer.alloc(200)]);
    await expectPermanent(box, 'IMAGE_UNSUPPORTED', /HEVC decoder.*JPEG/);
    await expectPermanent(readPicture('bad/garbage.heic'), 'IMAGE_UNSUPPORTED', /HEVC decoder/);
  });

  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
  const entity = '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>';
  it.each([
    ['row 20: an SVG is refused by name', svg, /an SVG/],
    ['row 21: an SVG with an external entity is refused by name', `<?xml version="1.0"?>${entity}${svg}`, /an SVG/],
    ['row 22: a PDF is refused by name', '%PDF-1.7\n', /a PDF/],
    ['row 22: PostScript is refused by name', '%!PS-Adobe-3.0', /PostScript/],
    ['row 22: an MP4 is refused by name', '\0\0\0\x18ftypmp42\0\0\0\0mp42isom', /a video/],
    ['row 22: a ZIP is refused by name', 'PK\x03\x04____', /a ZIP/],
    ['row 22: a program is refused by name', '\x7fELF____', /a program/],
    ['row 22: HTML is refused by name', '\n<!DOCTYPE html><title>502</title>', /HTML, perhaps an error page/],
    ['row 22: text is refused by name', 'not a picture', /got text/],
    ['row 24: a TIFF is refused by name', 'II*\0____', /a TIFF/],
    ['row 24: a BMP is refused by name', 'BM____', /a BMP/],
    ['row 24: a JPEG XL is refused by name', '\xff\x0a__', /a JPEG XL/],
    ['row 24: a JPEG 2000 is refused by name', '\0\0\0\x0cjP  \r\n\x87\n', /a JPEG 2000/],
    ['row 24: noise is refused by name', '\x01\x02\x03\x04\x05', /unknown kind/],
  ])('%s', async (_, text, message) => {
    await expectPermanent(Buffer.from(text, 'latin1'), 'IMAGE_UNSUPPORTED', message);
  });

  it('security 5: only five decoders of libvips are open in the whole process, for bytes in memory', async () => {
    const made = { create: { width: 2, height: 2, channels: 3, background: colour } } as const;
    const shut: Record<string, Buffer> = {
      svg: Buffer.from(svg),
      tiff: await sharp(made).tiff().toBuffer(),
      ppm: Buffer.from('P6 1 1 255\nabc', 'latin1'),
      pdf: Buffer.from('%PDF-1.4\n%%EOF'),
      radiance: Buffer.from('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd', 'latin1'),
    };
    for (const [name, bytes] of Object.entries(shut))
      await expect(sharp(bytes).metadata(), name).rejects.toThrow('unsupported image format');
    for (const name of ['chelsea.jpg', 'la.png', 'anim.gif', 'lossy.webp'])
      await expect(sharp(`${FIXTURES}images/${name}`).metadata(), name).rejects.toThrow();
    for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif'] as const)
      expect((await sharp(await sharp(made).toFormat(format).toBuffer()).metadata()).width).toBe(2);
  });

  it('row 24: keeps the other decoders of libvips shut in the whole process', async () => {
    await expect(sharp(Buffer.from(svg)).metadata()).rejects.toThrow('unsupported image format');
    await expect(sharp(`${import.meta.dirname}/../../fixtures/images/chelsea.jpg`).metadata()).rejects.toThrow();
  });

  it('row 23: takes a JPEG with a script in a comment and a ZIP behind it', async () => {
    const comment = Buffer.from('<?php system($_GET[0]); ?>');
    const segment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, comment.length + 2]), comment]);
    const polyglot = Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2), Buffer.from('PK\x03\x04')]);
    expect(sha256((await decode(polyglot)).data)).toBe(sha256((await decode(jpeg)).data));
  });

  it('row 25: knows the error with which sharp gives up on a picture that takes too long', async () => {
    const slow = sharp(jpeg).resize(4000, 4000).blur(900).timeout({ seconds: 1 }).raw().toBuffer();
    const thrown: unknown = await slow.catch((error: unknown) => error);
    expect(explainFailure(thrown, 'jpeg', EXACT)).toMatchObject({ code: 'IMAGE_TIMEOUT', retry: 'never' });
  });

  it('row 25: refuses a JPEG of more scans than any encoder writes, before decoding', async () => {
    await expectPermanent(manyScansJpeg(64, 101), 'IMAGE_TIMEOUT', /100 scans/);
    expect(await decode(manyScansJpeg(64, 100))).toMatchObject({ width: 64 });
    expect(await decode(readPicture('progressive.jpg'))).toMatchObject({ width: expect.any(Number) as number });
  });

  it('row 26: takes a JPEG with broken EXIF', async () => {
    const broken = Buffer.from(readPicture('exif_6.jpg'));
    const exif = broken.indexOf('Exif\0\0');
    broken.fill(0xff, exif + 10, exif + 20);
    expect(await decode(broken)).toMatchObject({ width: 400, height: 480 });
  });

  it.each(['bad_crc_idat.png', 'bad_crc_ihdr.png', 'header_only.jpg', 'truncated.jpg', 'truncated.png'])(
    'refuses %s for good',
    async (name) => {
      await expectPermanent(readPicture(`bad/${name}`), 'IMAGE_DECODE');
    },
  );

  it.each(['external_entity.svg', 'html.png', 'random.jpg', 'text.jpg'])('refuses %s as no picture', async (name) => {
    await expectPermanent(readPicture(`bad/${name}`), 'IMAGE_UNSUPPORTED');
  });
});

it('decodes a view into a larger buffer', async () => {
  const larger = Buffer.concat([Buffer.alloc(13), jpeg, Buffer.alloc(7)]);
  const view = new Uint8Array(larger.buffer, larger.byteOffset + 13, jpeg.length);
  expect(sha256((await decodePhoto(view, { settings: FAST, need: [NEED] })).data)).toBe(
    sha256((await decode(jpeg)).data),
  );
});
