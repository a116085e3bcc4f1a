// Camera-sized photos for the benches, made from the public-domain pictures of the examples.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';

/** 12-megapixel JPEGs with grain (so that they have the size and the detail of a camera's); answers their folder. */
export async function makePhotos(cache, source, count = 12) {
  const folder = path.join(cache, 'photos-12mp');
  mkdirSync(folder, { recursive: true });
  const sources = readdirSync(source)
    .filter((name) => /\.(jpg|png|webp)$/.test(name))
    .sort();
  for (let i = 0; i < count; i++) {
    const file = path.join(folder, `photo-${String(i).padStart(2, '0')}.jpg`);
    if (existsSync(file)) continue;
    const [width, height] = i % 3 === 2 ? [3000, 4000] : [4000, 3000];
    const grain = await sharp({
      create: { width, height, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 18 } },
    })
      .png({ compressionLevel: 0 })
      .toBuffer();
    await sharp(path.join(source, sources[i % sources.length]))
      .toColourspace('srgb')
      .removeAlpha()
      .resize(width, height, { fit: 'cover' })
      .composite([{ input: grain, blend: 'soft-light' }])
      .jpeg({ quality: 88 })
      .toFile(file);
  }
  return folder;
}
