import { JPEG, jpegMarkers } from './jpeg-markers.js';

export const JPEG_END = Uint8Array.of(0xff, JPEG.endOfImage);

/** Whether a JPEG has its end marker. */
export function hasJpegEnd(bytes: Uint8Array): boolean {
  if (bytes.at(-2) === JPEG_END[0] && bytes.at(-1) === JPEG_END[1]) return true;
  for (const { marker } of jpegMarkers(bytes)) if (marker === JPEG.endOfImage) return true;
  return false;
}
