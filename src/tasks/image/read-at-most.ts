import type { FileHandle } from 'node:fs/promises';
import { RunnerError } from '../../errors.js';

/** For files that don't say their size (/proc): what is read at first. */
const FIRST_BYTES = 64 * 1024;

/**
 * The whole content of a regular file, if it has at most `maxBytes`. The size that the file states is believed only where
 * it is too large; a file that is written to meanwhile is refused.
 * @throws RunnerError `FILE_NOT_REGULAR` | `FILE_TOO_LARGE` | `FILE_EMPTY` | `FILE_CHANGING`
 */
export async function readAtMost(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const before = await file.stat();
  if (!before.isFile()) throw new RunnerError('FILE_NOT_REGULAR', 'Expected a regular file, got a folder or a device.');
  if (before.size > maxBytes) throw tooLarge(maxBytes, before.size);

  // One byte more than there should be shows the end without another round, and that there is more than allowed.
  let buffer = Buffer.allocUnsafeSlow(Math.min(before.size === 0 ? FIRST_BYTES : before.size, maxBytes) + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(maxBytes, length);
    if (length === buffer.length) buffer = enlarge(buffer, maxBytes);
  }

  if (length === 0) throw new RunnerError('FILE_EMPTY', 'The file is empty; it may still be uploading.');
  const after = await file.stat();
  if (after.mtimeMs !== before.mtimeMs || after.size !== before.size) {
    throw new RunnerError('FILE_CHANGING', 'The file was written to while it was read.');
  }
  return buffer.subarray(0, length);
}

function enlarge(buffer: Buffer<ArrayBuffer>, maxBytes: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.min(buffer.length * 2, maxBytes + 1));
  buffer.copy(larger);
  return larger;
}

function tooLarge(maxBytes: number, bytes: number): RunnerError {
  return new RunnerError('FILE_TOO_LARGE', `Expected a file of at most ${maxBytes} bytes, got ${bytes} or more.`);
}
