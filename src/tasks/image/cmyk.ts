/**
 * CMYK pixels to RGB by Pillow's formula, so that an embedding is the one that the Python runner stored: what
 * black leaves of each channel, less the ink's share. libvips would use a printing profile, with other colours (a cosine
 * of 0.97 to 0.98).
 */
export function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  let to = 0;
  for (let from = 0; from < cmyk.length; from += 4) {
    const light = 255 - (cmyk[from + 3] ?? 0);
    for (let ink = from; ink < from + 3; ink++) rgb[to++] = Math.max(0, light - divideBy255((cmyk[ink] ?? 0) * light));
  }
  return rgb;
}

/** `product / 255`, rounded, for products of two bytes. */
function divideBy255(product: number): number {
  const rounded = product + 128;
  return ((rounded >> 8) + rounded) >> 8;
}
