const PREFIX = 0xff;

/** The markers that are looked for; ITU-T T.81, table B.1. */
export const JPEG = { startOfScan: 0xda, endOfImage: 0xd9 } as const;

export interface JpegMarker {
  /** The byte after 0xff. */
  readonly marker: number;
  /** Place of the byte behind it, where its segment's length stands if it has one. */
  readonly at: number;
}

/**
 * The markers of a JPEG in order. Segments are stepped over, as thumbnails inside them have markers of their own; what
 * follows the end (padding, a motion photo's video) is not looked at by those who stop there.
 */
export function* jpegMarkers(bytes: Uint8Array): Generator<JpegMarker, void> {
  let at = 2;
  for (;;) {
    at = nextMarker(bytes, at);
    const marker = bytes[at];
    if (at < 0 || marker === undefined) return;
    at += 1;
    yield { marker, at };
    // After the header of a scan comes its data, in which 0xff is followed by 0; `nextMarker` skips those.
    if (hasLength(marker)) at += Math.max(readUint16(bytes, at), 2);
  }
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** The place of the next byte that, after 0xff, names a marker; -1 if there is none. */
function nextMarker(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(PREFIX, from);
  while (at >= 0) {
    while (bytes[at] === PREFIX) at++;
    if (at >= bytes.length) return -1;
    if (bytes[at] !== 0) return at;
    at = bytes.indexOf(PREFIX, at);
  }
  return -1;
}

/** All segments but the restart markers and a few lone ones give their length. */
function hasLength(marker: number): boolean {
  return !(marker === 0x01 || (marker >= 0xd0 && marker <= 0xd9));
}
