import { RunnerError } from '../../errors.js';
import { JPEG, jpegMarkers } from './jpeg-markers.js';

/** Encoders write about ten. A decoder goes over the whole picture for each, and no time limit reaches it there. */
const MAX_SCANS = 100;

/**
 * Refuses a JPEG that is made to take minutes: a few kilobytes can hold thousands of scans.
 * @throws RunnerError `IMAGE_TIMEOUT`
 */
export function checkJpegScans(bytes: Uint8Array): void {
  let frame: Frame = { isProgressive: true, components: 0 };
  let scans = 0;
  for (const { marker, at } of jpegMarkers(bytes)) {
    if (isFrame(marker)) frame = readFrame(bytes, marker, at);
    if (marker === JPEG.endOfImage) return;
    if (marker !== JPEG.startOfScan) continue;
    scans += 1;
    // Most photos are this: all components in one scan, after which the decoder is done.
    if (!frame.isProgressive && bytes[at + 2] === frame.components) return;
    if (scans > MAX_SCANS) {
      throw new RunnerError(
        'IMAGE_TIMEOUT',
        `Expected a JPEG of at most ${MAX_SCANS} scans; more could take minutes to decode. Save it anew.`,
      );
    }
  }
}

interface Frame {
  readonly isProgressive: boolean;
  readonly components: number;
}

/** SOF0 to SOF15; between them lie the markers of tables and one that is reserved. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

function readFrame(bytes: Uint8Array, marker: number, at: number): Frame {
  // Behind the length: precision, height, width.
  return { isProgressive: (marker & 0b11) === 0b10, components: bytes[at + 7] ?? 0 };
}
