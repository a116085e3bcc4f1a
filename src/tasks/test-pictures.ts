import type { ImagePreprocess } from '../model.js';

/** Two pictures of normalised pixels of a plausible range: slow waves, so that resizing or channel order matter. */
export function testPictures({ crop }: Pick<ImagePreprocess, 'crop'>): [Float32Array, Float32Array] {
  const length = 3 * crop.width * crop.height;
  const wave = (seed: number): Float32Array =>
    Float32Array.from(
      { length },
      (_, i) => Math.sin((i * (seed + 1)) / 997) * 1.5 + Math.cos(i / (13 + 7 * seed)) * 0.5,
    );
  return [wave(0), wave(1)];
}
