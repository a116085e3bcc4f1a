// 12-megapixel JPEGs for benches of all tasks: a face, and signs in English and Chinese.
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { makeFacePhotos } from './face-photos.js';

const SIGNS = ['sign_en.png', 'sign_zh.png'];
const SIGN_WIDTH = 900;

/** Made once below `cache`; answers their folder. */
export async function makeSignPhotos(cache, root, count = 6) {
  const folder = path.join(cache, 'photos-signs');
  mkdirSync(folder, { recursive: true });
  const faces = await makeFacePhotos({ cache, source: path.join(root, 'examples', 'photos'), faces: 1, count });
  const signs = SIGNS.map((name) => path.join(root, 'test', 'fixtures', 'ocr', name));
  for (const [index, face] of faces.entries()) {
    const file = path.join(folder, `signs-${index}.jpg`);
    if (existsSync(file)) continue;
    const composed = signs.map(async (sign, place) => ({
      input: await sharp(sign).resize({ width: SIGN_WIDTH }).toBuffer(),
      left: 3000,
      top: 200 + place * 1300 + index * 40,
    }));
    await sharp(face)
      .composite(await Promise.all(composed))
      .jpeg({ quality: 88 })
      .toFile(file);
  }
  return folder;
}
