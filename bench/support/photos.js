// Camera-sized photos for the benches, made from the public-domain pictures of the examples.
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';

const LANDSCAPE_12 = [4000, 3000];
const KINDS = {
  jpeg12: { title: '12-megapixel JPEGs', folder: 'photos-12mp', extension: 'jpg', size: LANDSCAPE_12, encode: asJpeg },
  jpeg24: { title: '24-megapixel JPEGs', folder: 'photos-24mp', extension: 'jpg', size: [6000, 4000], encode: asJpeg },
  png: {
    ...{ title: '12-megapixel PNGs', folder: 'photos-png', extension: 'png', size: LANDSCAPE_12 },
    encode: (photo) => photo.png(),
  },
  webp: {
    ...{ title: '12-megapixel WebPs', folder: 'photos-webp', extension: 'webp', size: LANDSCAPE_12 },
    encode: (photo) => photo.webp({ quality: 88 }),
  },
};

/** What BENCH_KIND names, and what it is called; `jpeg12` by default. */
export function photoKind() {
  const kind = process.env.BENCH_KIND ?? 'jpeg12';
  if (!Object.hasOwn(KINDS, kind))
    throw new Error(`Expected BENCH_KIND to be ${Object.keys(KINDS).join(', ')}, but got ${kind}`);
  return { kind, title: KINDS[kind].title };
}

/** Photos with grain (so that they have the size and the detail of a camera's), a third of them upright; answers their folder. */
export async function makePhotos(cache, source, count = 12, kind = 'jpeg12') {
  const { folder: name, extension, size, encode } = KINDS[kind];
  const folder = path.join(cache, name);
  mkdirSync(folder, { recursive: true });
  const sources = readdirSync(source)
    .filter((name) => /\.(jpg|png|webp)$/.test(name))
    .sort();
  for (let i = 0; i < count; i++) {
    const file = path.join(folder, `photo-${String(i).padStart(2, '0')}.${extension}`);
    if (existsSync(file)) continue;
    const [width, height] = i % 3 === 2 ? [...size].reverse() : size;
    const grain = await sharp({
      create: { width, height, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 18 } },
    })
      .png({ compressionLevel: 0 })
      .toBuffer();
    const photo = sharp(path.join(source, sources[i % sources.length]))
      .toColourspace('srgb')
      .removeAlpha()
      .resize(width, height, { fit: 'cover' })
      .composite([{ input: grain, blend: 'soft-light' }]);
    // Not in the folder before it is whole: a bench takes all that lies there.
    const part = `${folder}.part`;
    await encode(photo.removeAlpha()).toFile(part);
    renameSync(part, file);
  }
  return folder;
}

function asJpeg(photo) {
  return photo.jpeg({ quality: 88 });
}
