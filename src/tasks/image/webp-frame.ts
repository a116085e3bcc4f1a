const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;

/**
 * An animated WebP with nothing but its first frame, and the EXIF block that follows the last one. libwebp looks for each
 * frame from the beginning, which takes minutes for a hundred thousand of them, and no time limit reaches it there. Any
 * other WebP, and one that is cut off, is answered as it is.
 */
export function firstWebpFrame(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frames = 0;
  let keptBytes = 0;
  let exif: Buffer | undefined;
  for (const { name, start, end } of riffChunks(file)) {
    if (end > file.length) return bytes;
    if (name === 'ANMF') frames += 1;
    if (frames === 1 && keptBytes === 0) keptBytes = end;
    if (frames > 0 && name === 'EXIF') exif ??= file.subarray(start, end);
  }
  if (frames <= 1) return bytes;
  const result = Buffer.concat([file.subarray(0, keptBytes), ...(exif === undefined ? [] : [exif])]);
  result.writeUInt32LE(result.length - CHUNK_HEADER_BYTES, 4);
  return result;
}

interface Chunk {
  readonly name: string;
  readonly start: number;
  /** Behind the chunk and the byte that evens its length. */
  readonly end: number;
}

function* riffChunks(file: Buffer): Generator<Chunk, void> {
  if (file.length < RIFF_HEADER_BYTES) return;
  const fileEnd = CHUNK_HEADER_BYTES + file.readUInt32LE(4);
  let start = RIFF_HEADER_BYTES;
  while (start + CHUNK_HEADER_BYTES <= Math.min(fileEnd, file.length)) {
    const bytes = file.readUInt32LE(start + 4);
    const end = start + CHUNK_HEADER_BYTES + bytes + (bytes % 2);
    yield { name: file.toString('latin1', start, start + 4), start, end };
    start = end;
  }
}
