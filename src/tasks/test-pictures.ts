import type { ImagePreprocess } from '../model.js';

/** Two pictures, as `cropPixels()` makes them: slow waves, so that resizing or channel order matter. */
export function testPictures({ crop }: Pick<ImagePreprocess, 'crop'>): [Uint8Array, Uint8Array] {
  const length = 3 * crop.width * crop.height;
  const wave = (seed: number): Uint8Array =>
    Uint8Array.from(
      { length },
      (_, i) => 128 + 90 * Math.sin((i * (seed + 1)) / 997) + 30 * Math.cos(i / (13 + 7 * seed)),
    );
  return [wave(0), wave(1)];
}
