import { RunnerError } from '../../errors.js';
import type { DecodableKind } from './sniff.js';

/** The error for a file that is no picture that can be decoded here; `name` as in "a PDF". */
export function unsupportedPicture(name: string): RunnerError {
  return new RunnerError(
    'IMAGE_UNSUPPORTED',
    `Expected a JPEG, PNG, WebP, GIF or AVIF, got ${name}; convert it to JPEG.`,
  );
}

interface Limits {
  readonly decodeTimeoutMs: number;
}

/**
 * Gives what sharp threw a code. sharp's errors have none, so its texts are looked at; what isn't recognised is a
 * picture that can't be decoded.
 */
export function explainFailure(thrown: unknown, kind: DecodableKind, { decodeTimeoutMs }: Limits): RunnerError {
  if (thrown instanceof RunnerError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const options = { cause: thrown };
  if (message.startsWith('timeout:')) {
    return new RunnerError('IMAGE_TIMEOUT', `Decoding took longer than decodeTimeoutMs (${decodeTimeoutMs}).`, options);
  }
  if (message.includes('exceeds pixel limit')) {
    return new RunnerError('IMAGE_TOO_LARGE', 'The picture has more pixels than maxPixels.', options);
  }
  if (message.includes('supported image dimension')) {
    return new RunnerError(
      'IMAGE_TOO_LARGE',
      `A side is longer than the decoder can take: ${shorten(message)}`,
      options,
    );
  }
  if (kind === 'heic') {
    return new RunnerError(
      'IMAGE_UNSUPPORTED',
      `HEIC pictures need an HEVC decoder, which sharp's own libvips lacks; convert them to JPEG, or build sharp with a libvips that has one. (${shorten(message)})`,
      options,
    );
  }
  return new RunnerError('IMAGE_DECODE', `The ${kind.toUpperCase()} can't be decoded: ${shorten(message)}`, options);
}

const MAX_LENGTH = 160;

/** The lines that say something, in one. */
function shorten(message: string): string {
  const lines = message
    .split('\n')
    .map((line) => line.replace(/^Input buffer has corrupt header: /, '').trim())
    .filter((line) => line !== '' && !line.startsWith('source: bad seek'));
  // A broken file's own bytes may stand in a decoder's message.
  const text = [...new Set(lines)].join('; ').replace(/[\0-\x1f\x7f-\x9f]/g, ' ');
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH)}…`;
}
