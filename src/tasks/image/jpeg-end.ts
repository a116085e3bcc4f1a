const MARKER = 0xff;
const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/**
 * Whether a JPEG has its end marker. Segments are walked, as thumbnails inside them have end markers of their own; what
 * follows the end (padding, a motion photo's video) is not looked at.
 */
export function hasJpegEnd(bytes: Uint8Array): boolean {
  if (bytes.at(-2) === MARKER && bytes.at(-1) === END_OF_IMAGE) return true;
  let at = 2;
  for (;;) {
    at = nextMarker(bytes, at);
    if (at < 0) return false;
    const marker = bytes[at];
    if (marker === END_OF_IMAGE) return true;
    at += 1;
    if (!hasLength(marker)) continue;
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    // After the header of a scan comes its data, in which 0xff is followed by 0; `nextMarker` skips those.
    at += Math.max(length, 2);
  }
}

export const JPEG_END = Uint8Array.of(MARKER, END_OF_IMAGE);

/** The place of the next byte that, after 0xff, names a marker; -1 if there is none. */
function nextMarker(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(MARKER, from);
  while (at >= 0) {
    while (bytes[at] === MARKER) at++;
    if (at >= bytes.length) return -1;
    if (bytes[at] !== 0) return at;
    at = bytes.indexOf(MARKER, at);
  }
  return -1;
}

/** All segments but the restart markers and a few lone ones give their length. */
function hasLength(marker: number | undefined): boolean {
  if (marker === undefined) return false;
  return marker === START_OF_SCAN || !(marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8));
}
