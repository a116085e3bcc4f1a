import { crc32, deflateRawSync, deflateSync } from 'node:zlib';

/** Pictures as no camera makes them, byte by byte. */

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** A segment of a JPEG: marker, length, content. */
export function jpegSegment(marker: number, content: Uint8Array | string): Buffer {
  const body = typeof content === 'string' ? latin1(content) : content;
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

/** A JPEG with segments put in behind its first two bytes. */
export function withSegments(jpeg: Buffer, ...segments: readonly Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** An ICC profile in as many segments as it needs; at most 255 of 64 KiB. */
export function iccSegments(profile: Buffer): readonly Buffer[] {
  const part = 65_000;
  const count = Math.ceil(profile.length / part);
  return Array.from({ length: count }, (_, index) =>
    jpegSegment(
      0xe2,
      Buffer.concat([
        latin1('ICC_PROFILE\0'),
        Buffer.from([index + 1, count]),
        profile.subarray(index * part, (index + 1) * part),
      ]),
    ),
  );
}

/** An EXIF block whose only directory names itself as the next one. */
export function cyclicExif(): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write('II*\0', 0, 'latin1');
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(1, 8);
  // Orientation (0x0112), a SHORT, once: 6.
  for (const [value, at] of [
    [0x0112, 10],
    [3, 12],
    [6, 18],
  ] as const)
    tiff.writeUInt16LE(value, at);
  tiff.writeUInt32LE(1, 14);
  tiff.writeUInt32LE(8, 22);
  return jpegSegment(0xe1, Buffer.concat([latin1('Exif\0\0'), tiff]));
}

/** A small file of a large grey square: progressive, with as many scans as asked for, each over the whole picture. */
export function manyScansJpeg(side: number, scans: number): Buffer {
  const blocks = Math.ceil(side / 8) ** 2;
  const size = Buffer.alloc(4);
  size.writeUInt16BE(side, 0);
  size.writeUInt16BE(side, 2);
  // Huffman tables of one code each, `0`: "no difference" for DC, "the next 2^14 and more blocks are empty" for AC.
  const table = (id: number, symbol: number): Buffer =>
    jpegSegment(0xc4, Buffer.concat([Buffer.from([id, 1]), Buffer.alloc(15), Buffer.from([symbol])]));
  const scanOf = (first: number, last: number, data: Buffer): Buffer =>
    Buffer.concat([jpegSegment(0xda, Buffer.from([1, 1, 0, first, last, 0])), data]);
  const acScan = scanOf(1, 63, emptyBlocks(blocks));
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    jpegSegment(0xdb, Buffer.alloc(65, 1).fill(0, 0, 1)),
    jpegSegment(0xc2, Buffer.concat([Buffer.from([8]), size, Buffer.from([1, 1, 0x11, 0])])),
    table(0x00, 0x00),
    table(0x10, 0xe0),
    scanOf(0, 0, Buffer.alloc(Math.ceil(blocks / 8))),
    ...Array<Buffer>(scans - 1).fill(acScan),
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** Runs of 32,767 empty blocks: 15 bits each, filled up with ones, and a zero behind each byte of ones. */
function emptyBlocks(blocks: number): Buffer {
  const bits = `0${'1'.repeat(14)}`.repeat(Math.ceil(blocks / 32_767));
  const bytes = (bits.padEnd(Math.ceil(bits.length / 8) * 8, '1').match(/.{8}/g) ?? []).map((byte) =>
    parseInt(byte, 2),
  );
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

/** A JPEG whose header states another size. */
export function withJpegSize(jpeg: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg);
  const frame = copy.indexOf(Buffer.from([0xff, 0xc0]));
  copy.writeUInt16BE(height, frame + 5);
  copy.writeUInt16BE(width, frame + 7);
  return copy;
}

function pngChunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([latin1(name), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

const PNG_SIGNATURE = latin1('\x89PNG\r\n\x1a\n');

function pngHeader(width: number, height: number, bits: number, colour: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, colour, 0, 0, 0], 8);
  return pngChunk('IHDR', header);
}

/** A PNG of one-bit pixels with the given raw rows. */
export function onebitPng(width: number, height: number, rows: Buffer): Buffer {
  const stream = Buffer.concat([Buffer.from([0x78, 0x01]), deflateRawSync(rows), Buffer.alloc(4)]);
  return Buffer.concat([
    PNG_SIGNATURE,
    pngHeader(width, height, 1, 0),
    pngChunk('IDAT', stream),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A PNG whose header states another size, with a checksum that is right. */
export function withPngSize(png: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(png);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  copy.writeUInt32BE(crc32(copy.subarray(12, 29)), 29);
  return copy;
}

/** A PNG with a text chunk, compressed as the format has it. */
export function withPngText(png: Buffer, keyword: string, text: string): Buffer {
  const data = Buffer.concat([latin1(`${keyword}\0\0`), deflateSync(Buffer.from(text))]);
  const behindHeader = 33;
  return Buffer.concat([png.subarray(0, behindHeader), pngChunk('zTXt', data), png.subarray(behindHeader)]);
}

/** An animated PNG of two frames, 2 x 2 pixels: red, then blue. */
export function animatedPng(): Buffer {
  const uint32s = (...values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
    return bytes;
  };
  const frame = (red: number, blue: number): Buffer =>
    deflateSync(Buffer.from([0, red, 0, blue, red, 0, blue, 0, red, 0, blue, red, 0, blue]));
  const control = (sequence: number): Buffer =>
    pngChunk('fcTL', Buffer.concat([uint32s(sequence, 2, 2, 0, 0), Buffer.from([0, 1, 0, 10, 0, 0])]));
  return Buffer.concat([
    PNG_SIGNATURE,
    pngHeader(2, 2, 8, 2),
    pngChunk('acTL', uint32s(2, 0)),
    control(0),
    pngChunk('IDAT', frame(255, 0)),
    control(1),
    pngChunk('fdAT', Buffer.concat([uint32s(2), frame(0, 255)])),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A GIF of one pixel per frame. */
export function gifOfFrames(frames: number): Buffer {
  const screen = Buffer.from([1, 0, 1, 0, 0x80, 0, 0, 200, 30, 90, 255, 255, 255]);
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0]);
  const delay = Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0]);
  const one = Buffer.concat([delay, frame]);
  return Buffer.concat([latin1('GIF89a'), screen, ...Array<Buffer>(frames).fill(one), Buffer.from([0x3b])]);
}

/** An animated WebP that shows one still picture again and again. */
export function webpOfFrames(still: Buffer, width: number, height: number, frames: number): Buffer {
  const chunk = (name: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(name, 'latin1');
    head.writeUInt32LE(data.length, 4);
    return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
  };
  const size = Buffer.alloc(6);
  size.writeUIntLE(width - 1, 0, 3);
  size.writeUIntLE(height - 1, 3, 3);
  const animated = 0x02;
  // Behind "RIFF", length and "WEBP" comes the picture's own chunk.
  const frame = chunk('ANMF', Buffer.concat([Buffer.alloc(6), size, Buffer.from([10, 0, 0, 0]), still.subarray(12)]));
  const body = Buffer.concat([
    latin1('WEBP'),
    chunk('VP8X', Buffer.concat([Buffer.from([animated, 0, 0, 0]), size])),
    chunk('ANIM', Buffer.alloc(6)),
    ...Array<Buffer>(frames).fill(frame),
  ]);
  return chunk('RIFF', body);
}

/** The `ftyp` box that begins HEIC, AVIF and MP4 files, and what looks like the rest of one. */
export function isoMedia(...brands: readonly string[]): Buffer {
  const [main = '', ...others] = brands;
  const box = (name: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(8 + data.length, 0);
    head.write(name, 4, 'latin1');
    return Buffer.concat([head, data]);
  };
  const handler = box('hdlr', Buffer.concat([Buffer.alloc(8), latin1('pict'), Buffer.alloc(13)]));
  const item = box('pitm', Buffer.from([0, 0, 0, 0, 0, 1]));
  return Buffer.concat([
    box('ftyp', latin1(`${main}\0\0\0\0${others.join('')}`)),
    box('meta', Buffer.concat([Buffer.alloc(4), handler, item])),
    box('mdat', Buffer.alloc(500, 1)),
  ]);
}
