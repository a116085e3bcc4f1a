import type { ImagePreprocess } from '../model.js';

/** Normalised pixels of a plausible range that differ by seed: a slow wave, so that resizing or channel order matter. */
export function testPictures({ crop }: Pick<ImagePreprocess, 'crop'>): Float32Array[] {
  const length = 3 * crop.width * crop.height;
  return [0, 1, 2].map((seed) =>
    Float32Array.from(
      { length },
      (_, i) => Math.sin((i * (seed + 1)) / 997) * 1.5 + Math.cos(i / (13 + 7 * seed)) * 0.5,
    ),
  );
}
