/** A field of a message that is in memory. */
export interface Field {
  readonly number: number;
  /** What follows the tag, and the length where there is one. */
  readonly content: Buffer;
  /** The whole field, as it lies in the message. */
  readonly bytes: Buffer;
}

/** Bytes of a number of a fixed size, by wire type. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const WITH_LENGTH = 2;
const SINGLE = 5;

/** The fields of a well-formed message, in their order. Bytes are views of the message's. */
export function fieldsOf(message: Buffer): readonly Field[] {
  const fields: Field[] = [];
  for (let start = 0; start < message.length;) {
    const tag = readVarint(message, start);
    const wireType = tag.value % 8;
    const fixed = FIXED[wireType];
    let [contentStart, end] = [tag.end, tag.end + (fixed ?? 0)];
    if (fixed === undefined) {
      const number = readVarint(message, tag.end);
      if (wireType === WITH_LENGTH) [contentStart, end] = [number.end, number.end + number.value];
      else end = number.end;
    }
    fields.push({
      number: Math.floor(tag.value / 8),
      content: message.subarray(contentStart, end),
      bytes: message.subarray(start, end),
    });
    start = end;
  }
  return fields;
}

/** A field of a text, of bytes or of another message. */
export function field(number: number, content: Uint8Array | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([fieldStart(number, bytes.length), bytes]);
}

/** What stands before the content of such a field: its tag and its length. */
export function fieldStart(number: number, length: number): Buffer {
  return Buffer.from([...varint(number * 8 + WITH_LENGTH), ...varint(length)]);
}

/** A field of a whole number from 0 on. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.from([...varint(number * 8), ...varint(value)]);
}

/** A field of a number of single precision. */
export function singleField(number: number, value: number): Buffer {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([Buffer.from(varint(number * 8 + SINGLE)), content]);
}

/** The whole numbers of a field's content: one, or as many as are packed into it. */
export function numbersOf(content: Buffer): readonly number[] {
  const numbers: number[] = [];
  for (let start = 0; start < content.length;) {
    const { value, end } = readVarint(content, start);
    numbers.push(value);
    start = end;
  }
  return numbers;
}

function readVarint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let end = start;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes.readUInt8(end);
    end += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end };
  }
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}
