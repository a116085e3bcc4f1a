import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP, photoJob } from '../support/fixtures.js';
import { runJobs, type JobCase, type JobFates } from '../support/job-fates.js';
import { cell, MARKER, markedPicture, REDS } from '../support/marked-picture.js';
import {
  animatedPng,
  cyclicExif,
  gifOfFrames,
  iccSegments,
  isoMedia,
  jpegSegment,
  manyScansJpeg,
  onebitPng,
  webpOfFrames,
  withJpegSize,
  withPngSize,
  withPngText,
  withSegments,
} from '../support/odd-pictures.js';
import { noise, readPicture, withOrientation } from '../support/pictures.js';

/**
 * Rows 1 to 28 of the list of bad inputs, to the end of each job: all files go through one runner together, a good photo
 * beside each. What the decoder makes of them pixel by pixel is in test/unit/image/bad-pictures.test.ts.
 */

type Bytes = Uint8Array | Promise<Uint8Array>;
/** What the file holds, and how its job ends; see `JobFates.of`. */
type Row = readonly [bytes: () => Bytes, fate: string, message?: RegExp];

const plain = (width: number, height: number, background = '#c81e5a'): Sharp =>
  sharp({ create: { width, height, channels: 3, background } });
const text = (content: string) => (): Bytes => Buffer.from(content, 'latin1');
const picture = (name: string) => (): Bytes => readPicture(name);
const part = (name: string, share: number) => (): Bytes => {
  const bytes = readPicture(name);
  return bytes.subarray(0, Math.floor(bytes.length * share));
};
const jpeg = (): Buffer => readPicture('astronaut.jpg');
const grey = (width: number, height: number, seed: number): Sharp =>
  sharp(noise(width, height, seed).data, { raw: { width, height, channels: 3 } });
const svg = (inside: string, head = ''): string =>
  `<?xml version="1.0"?>${head}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
  `xmlns:xi="http://www.w3.org/2001/XInclude" width="9" height="9">${inside}</svg>`;
const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('');

const ROWS: Readonly<Record<string, Row>> = {
  'row 1: a JPEG cut off at a tenth': [part('astronaut.jpg', 0.1), 'P decode'],
  'row 1: a JPEG cut off at nine tenths': [part('astronaut.jpg', 0.9), 'P decode'],
  'row 2: a JPEG with garbage behind it': [() => Buffer.concat([jpeg(), Buffer.alloc(9000, 'garbage')]), 'OK'],
  'row 2: a JPEG without its end marker': [() => jpeg().subarray(0, -2), 'OK'],
  'row 3: a file of zero bytes is looked at twice': [() => Buffer.alloc(0), 'R2 empty'],
  'row 4: a PNG of 40000 x 40000 in a few kilobytes': [
    () => onebitPng(40_000, 40_000, Buffer.alloc(40_000 * 5001)),
    'P too_large',
    /40000 x 40000/,
  ],
  'row 5: a WebP of more pixels than allowed': [
    () => plain(12_000, 10_000).webp({ effort: 0 }).toBuffer(),
    'P too_large',
  ],
  'row 5: a GIF of a hundred thousand frames': [() => gifOfFrames(100_000), 'OK'],
  'row 5: a WebP of a hundred thousand frames': [
    async () => webpOfFrames(await plain(2, 2).webp({ lossless: true }).toBuffer(), 2, 2, 100_000),
    'OK',
  ],
  'row 5: a bomb in a TIFF': [text('II*\0\x08\0\0\0\xff\xff\xff\xff'), 'P unsupported', /TIFF/],
  'row 6: a PNG whose header states more than there is': [
    async () => withPngSize(await plain(10, 10).png().toBuffer(), 10, 9000),
    'P decode',
  ],
  'row 6: a JPEG whose header states more than there is, grey to its end as Pillow reads it': [
    () => withJpegSize(jpeg(), 2000, 2000),
    'OK',
  ],
  'row 7: 1 x 1': [() => plain(1, 1).png().toBuffer(), 'OK'],
  'row 7: 1 x 2': [() => plain(1, 2).png().toBuffer(), 'OK'],
  'row 7: 2 x 1': [() => plain(2, 1).png().toBuffer(), 'OK'],
  'row 8: 30000 x 1': [() => plain(30_000, 1).png().toBuffer(), 'OK'],
  'row 8: 1 x 30000': [() => plain(1, 30_000).png().toBuffer(), 'OK'],
  'row 9: a JPEG whose header says 65535 x 65535': [() => withJpegSize(jpeg(), 65_535, 65_535), 'P too_large'],
  'row 10: CMYK, as Adobe writes it': [picture('cmyk.jpg'), 'OK'],
  'row 11: 16 bits of grey': [picture('gray16.png'), 'OK'],
  'row 11: 16 bits of colour': [picture('rgb16.png'), 'OK'],
  'row 11: 16 bits of grey with alpha': [
    () => plain(30, 20).ensureAlpha(0.5).toColourspace('grey16').png().toBuffer(),
    'OK',
  ],
  'row 11: one bit': [picture('bilevel.png'), 'OK'],
  'row 11: a palette with a transparent colour': [picture('palette_trns.png'), 'OK'],
  'row 12: a TIFF of floats': [() => plain(9, 9).toColourspace('scrgb').tiff().toBuffer(), 'P unsupported', /TIFF/],
  'row 12: a BigTIFF': [text('II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0'), 'P unsupported', /BigTIFF/],
  'row 13: grey': [picture('gray.jpg'), 'OK'],
  'row 13: grey with alpha': [picture('la.png'), 'OK'],
  'row 13: colour with alpha': [picture('rgba.png'), 'OK'],
  'row 14: an animated GIF': [picture('anim.gif'), 'OK'],
  'row 14: an animated WebP': [picture('anim.webp'), 'OK'],
  'row 14: an animated PNG': [animatedPng, 'OK'],
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535].map((value): [string, Row] => [
      `row 15: the orientation ${value}`,
      [() => withOrientation(readPicture('exif_6.jpg'), value), 'OK'],
    ]),
  ),
  'row 16: Display P3': [picture('p3.jpg'), 'OK'],
  'row 16: a profile that is broken': [() => withSegments(jpeg(), ...iccSegments(Buffer.alloc(3000, 'broken'))), 'OK'],
  'row 16: a profile of ten megabytes': [() => withSegments(jpeg(), ...iccSegments(Buffer.alloc(10e6, 1))), 'OK'],
  'row 17: a PNG that is named .jpg': [picture('png_named.jpg'), 'OK'],
  'row 18: a HEIC': [() => isoMedia('heic', 'mif1', 'heic'), 'P unsupported', /HEVC decoder.*JPEG/],
  'row 19: an AVIF of 8 bits': [() => plain(64, 48).avif({ bitdepth: 8, effort: 0 }).toBuffer(), 'OK'],
  'row 19: an AVIF of 10 bits': [() => plain(64, 48).avif({ bitdepth: 10, effort: 0 }).toBuffer(), 'OK'],
  'row 19: an AVIF of 12 bits': [() => plain(64, 48).avif({ bitdepth: 12, effort: 0 }).toBuffer(), 'OK'],
  'row 20: an SVG': [text(svg('<rect width="9" height="9"/>')), 'P unsupported', /an SVG/],
  'row 21: an SVG with an external entity': [
    text(svg('&e;', '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>')),
    'P unsupported',
    /an SVG/,
  ],
  'row 21: an SVG that includes a file': [
    text(svg('<xi:include href="/etc/passwd" parse="text"/>')),
    'P unsupported',
    /an SVG/,
  ],
  'row 21: an SVG that links to files and servers': [
    text(svg('<image xlink:href="file:///etc/passwd"/><image href="http://169.254.169.254/"/>')),
    'P unsupported',
    /an SVG/,
  ],
  'row 21: an SVG of a billion laughs': [
    text(svg('&l9;', `<!DOCTYPE svg [<!ENTITY l0 "ha">${laughs}]>`)),
    'P unsupported',
    /an SVG/,
  ],
  'row 21: an SVG of a million pixels a side': [
    text('<svg viewBox="0 0 1000000 1000000" width="1000000" height="1000000"/>'),
    'P unsupported',
    /an SVG/,
  ],
  'row 22: a PDF': [text('%PDF-1.7\n'), 'P unsupported', /a PDF/],
  'row 22: PostScript': [text('%!PS-Adobe-3.0'), 'P unsupported', /PostScript/],
  'row 22: an MP4': [() => isoMedia('isom', 'mp42'), 'P unsupported', /a video/],
  'row 22: a ZIP': [text('PK\x03\x04____'), 'P unsupported', /a ZIP/],
  'row 22: a program': [text('\x7fELF____'), 'P unsupported', /a program/],
  'row 22: HTML': [text('<!DOCTYPE html><title>502</title>'), 'P unsupported', /HTML/],
  'row 22: text': [text('not a picture'), 'P unsupported', /text/],
  'row 23: a JPEG that is a ZIP, too': [() => Buffer.concat([jpeg(), Buffer.from('PK\x03\x04archive')]), 'OK'],
  'row 23: a JPEG with a script in its comment': [
    () => withSegments(jpeg(), jpegSegment(0xfe, '<?php system($_GET[0]); ?>')),
    'OK',
  ],
  'row 24: a TIFF': [text('MM\0*____'), 'P unsupported', /a TIFF/],
  'row 24: a file of libvips’ own': [text('\x08\xf2\xa6\xb6____'), 'P unsupported'],
  'row 25: a progressive JPEG of five thousand scans': [() => manyScansJpeg(8000, 5000), 'P timeout', /100 scans/],
  'row 25: a progressive JPEG of a hundred scans': [() => manyScansJpeg(1000, 100), 'OK'],
  'row 26: EXIF that is no text in any encoding': [
    () => withSegments(jpeg(), jpegSegment(0xe1, `Exif\0\0II*\0\x08\0\0\0${'\xff\xfe\x80'.repeat(500)}`)),
    'OK',
  ],
  'row 26: EXIF that goes round in circles': [() => withSegments(jpeg(), cyclicExif()), 'OK'],
  'row 26: XMP of twenty megabytes': [
    async () => withPngText(await plain(20, 20).png().toBuffer(), 'XML:com.adobe.xmp', '<x/>'.repeat(5e6)),
    'OK',
  ],
  'row 27: all black': [() => plain(300, 200, '#000000').jpeg().toBuffer(), 'OK'],
  'row 27: all white': [() => plain(300, 200, '#ffffff').jpeg().toBuffer(), 'OK'],
  'row 27: noise': [() => grey(300, 200, 7).png().toBuffer(), 'OK'],
  'row 28: no face': [() => markedPicture([]), 'OK'],
  'row 28: three hundred faces': [
    () => markedPicture(Array.from({ length: 300 }, (_, i) => cell(i % 20, Math.floor(i / 20), REDS[i % REDS.length]))),
    'OK',
  ],
  'row 28: a face at the border': [() => markedPicture([cell(19, 14)]), 'OK'],
};

const MATES = ['chelsea.jpg', 'camera.jpg', 'rocket.jpg', 'odd_333x251.png'];
const LONG_AGO = new Date(0);

let root: string;
let fates: JobFates;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'rows-pictures-'));
  const cases: Record<string, JobCase> = {};
  for (const [index, [name, [bytes]]] of Object.entries(ROWS).entries()) {
    const id = String(index + 1);
    const file = path.join(root, id);
    await writeFile(file, await bytes());
    // A fresh file might still be on its way.
    await utimes(file, LONG_AGO, LONG_AGO);
    const tasks = name.startsWith('row 28') ? ['clip', 'face'] : ['clip'];
    cases[name] = { id, element: Buffer.from(photoJob(id, id, tasks)) };
  }
  for (const name of MATES) await writeFile(path.join(root, name), readPicture(name));
  const mates = Object.keys(cases).map((_, index) => {
    const id = String(1000 + index);
    return { id, element: Buffer.from(photoJob(id, MATES[index % MATES.length]!)) };
  });
  const models = [{ label: 'tiny', name: CLIP }];
  fates = await runJobs({
    cases,
    mates,
    runner: { tasks: ['clip', 'face'], models, faceModel: MARKER, roots: [root] },
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const embeddingOf = (name: string): readonly number[] =>
  fates.callbacksOf(name).find(({ kind }) => kind === 'ml_result')?.body['embedding'] as number[];

describe('a picture of a job', () => {
  it.each(Object.entries(ROWS))('%s', (name, [, fate, message]) => {
    expect(fates.of(name)).toBe(fate);
    const note = fates.deadOf(name)?.note;
    if (message !== undefined) expect(note?.error.message).toMatch(message);
    // Errors go to logs and dead letters.
    if (note !== undefined) expect(note.error.message).not.toContain(root);
    if (fate === 'OK') expect(Math.hypot(...embeddingOf(name))).toBeCloseTo(1, 5);
  });

  it('does no harm to those in its batch', () => {
    expect(fates.lostMates).toEqual([]);
  });
});

describe('what is posted', () => {
  type Face = { readonly bbox: { x1: number; y1: number; x2: number; y2: number } };
  const facesOf = (name: string): readonly Face[] =>
    fates.callbacksOf(name).find(({ kind }) => kind === 'faces')?.body['faces'] as Face[];

  it('row 15: the orientations 0, 9 and 65535 are as good as none', () => {
    const upright = embeddingOf('row 15: the orientation 1');
    for (const value of [0, 9, 65_535]) expect(embeddingOf(`row 15: the orientation ${value}`)).toEqual(upright);
    expect(embeddingOf('row 15: the orientation 6')).not.toEqual(upright);
  });

  it('row 28: an empty list where there is no face', () => {
    expect(facesOf('row 28: no face')).toEqual([]);
  });

  it('row 28: the best two hundred of three hundred faces, and a warning', () => {
    expect(facesOf('row 28: three hundred faces')).toHaveLength(200);
    expect(fates.warnings).toEqual([expect.stringContaining('300 faces were found') as string]);
  });

  it('row 28: a face at the border with a box that ends there', () => {
    const [face] = facesOf('row 28: a face at the border');
    expect(face?.bbox.x2).toBeLessThanOrEqual(640);
    expect(face?.bbox.y2).toBeLessThanOrEqual(480);
  });
});
