// 12-megapixel JPEGs with a given number of faces, made from the public-domain portrait of the examples.
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';

const WIDTH = 4000;
const HEIGHT = 3000;
/** Head and shoulders in `astronaut.jpg`. */
const HEAD = { left: 140, top: 0, width: 170, height: 170 };
const BACKGROUNDS = ['brick.jpg', 'rocket.jpg', 'chelsea.jpg', 'gravel.webp'];

/** `count` photos with `faces` faces each, made once below `cache`; answers their paths. */
export async function makeFacePhotos({ cache, source, faces, count }) {
  const folder = path.join(cache, 'photos-faces');
  mkdirSync(folder, { recursive: true });
  const files = Array.from({ length: count }, (_, i) => path.join(folder, `faces-${faces}-${i}.jpg`));
  for (const [index, file] of files.entries()) {
    if (!existsSync(file)) await makePhoto(file, source, faces, index);
  }
  return files;
}

async function makePhoto(file, source, faces, index) {
  const columns = Math.ceil(Math.sqrt((faces * WIDTH) / HEIGHT));
  const rows = Math.ceil(faces / Math.max(1, columns));
  const cell = Math.min(WIDTH / Math.max(1, columns), HEIGHT / Math.max(1, rows));
  const tiles = Array.from({ length: faces }, async (_, place) => {
    const side = Math.round(cell * (0.7 + 0.05 * ((place + index) % 6)));
    return {
      input: await head(source, side, place + index),
      left: Math.round((place % columns) * (WIDTH / columns)),
      top: Math.round(Math.floor(place / columns) * (HEIGHT / rows)),
    };
  });
  const grain = await sharp({
    create: { width: WIDTH, height: HEIGHT, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 12 } },
  })
    .png({ compressionLevel: 0 })
    .toBuffer();
  await sharp(path.join(source, BACKGROUNDS[index % BACKGROUNDS.length]))
    .toColourspace('srgb')
    .removeAlpha()
    .resize(WIDTH, HEIGHT, { fit: 'cover' })
    .composite([...(await Promise.all(tiles)), { input: grain, blend: 'soft-light' }])
    .jpeg({ quality: 88 })
    .toFile(file);
}

/** The head as a square of `side` pixels; `variant` turns it over and changes its light. */
function head(source, side, variant) {
  return sharp(path.join(source, 'astronaut.jpg'))
    .extract(HEAD)
    .resize(side, side, { kernel: 'cubic' })
    .flop(variant % 2 === 1)
    .modulate({ brightness: 0.8 + 0.1 * (variant % 5) })
    .png({ compressionLevel: 0 })
    .toBuffer();
}
