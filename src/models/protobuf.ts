import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { RunnerError } from '../errors.js';

/** The field numbers of a message that are descended into, or `text` or `number` where a field's value is wanted. */
export interface MessageShape {
  readonly [field: number]: (() => MessageShape) | 'text' | 'number';
}

/** Where a field lies in its file: from its tag's first byte up to, and without, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface MessageVisitor {
  /** Is told the beginning of each message that is descended into. */
  begin?(shape: MessageShape): void;
  /** Is told each field that is marked `text`. */
  text(text: string, field: number, shape: MessageShape): void;
  /** Is told each number of the fields that are marked `number`, packed or not. */
  number?(value: number, field: number, shape: MessageShape): void;
  /** Is told each field that is not descended into and not marked. */
  other?(span: Span, field: number, shape: MessageShape): void;
  /** Is told the end of each message that was descended into. Fields of a message may come in any order before it. */
  end(shape: MessageShape, span: Span): void;
}

export interface WalkLimits {
  /** Longest text that is read. */
  readonly maxTextBytes: number;
  /** How deep messages may lie in each other. */
  readonly maxDepth: number;
}

const WINDOW_BYTES = 64 * 1024;

/**
 * Walks a protobuf file and visits what a shape marks. Everything else is skipped without being read, so a file of
 * gigabytes costs a few reads and one small buffer. Reading is synchronous: it happens before any work starts, and a
 * graph without its weights is some hundred kilobytes.
 * @throws RunnerError `MODEL_INVALID` when the file isn't well-formed
 */
export function walkProtobuf(file: string, shape: MessageShape, visitor: MessageVisitor, limits: WalkLimits): void {
  const descriptor = openSync(file, 'r');
  try {
    const cursor = new Cursor(descriptor, fstatSync(descriptor).size);
    walkMessage({ cursor, visitor, limits }, { start: 0, end: cursor.sizeBytes }, shape, 0);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new RunnerError('MODEL_INVALID', `${file} is not a whole ONNX file: ${error.message}.`, { cause: error });
  } finally {
    closeSync(descriptor);
  }
}

class MalformedError extends Error {}

interface Walk {
  readonly cursor: Cursor;
  readonly visitor: MessageVisitor;
  readonly limits: WalkLimits;
}

/** Walks the message whose content is from the cursor to the end of its span. */
function walkMessage(walk: Walk, span: Span, shape: MessageShape, depth: number): void {
  const { cursor, visitor, limits } = walk;
  if (depth > limits.maxDepth) throw new MalformedError(`messages lie more than ${limits.maxDepth} deep`);
  visitor.begin?.(shape);
  while (cursor.offset < span.end) {
    const start = cursor.offset;
    const tag = cursor.varint(span.end);
    const field = Math.floor(tag / 8);
    const content = cursor.offset;
    const length = fieldLength(cursor, tag % 8, span.end);
    const inner = { start, end: cursor.offset + length };
    // Written so that a length beyond 2^53 or NaN fails as well.
    if (!(field >= 1 && inner.end <= span.end))
      throw new MalformedError(`the field at byte ${cursor.offset} runs over its end`);
    const kind = shape[field];
    if (kind === 'number') {
      visitNumbers(walk, { start: content, end: inner.end }, tag, shape);
    } else if (kind === undefined || tag % 8 !== 2) {
      cursor.offset = inner.end;
      visitor.other?.(inner, field, shape);
    } else if (kind === 'text') {
      if (length > limits.maxTextBytes)
        throw new MalformedError(`a text of ${length} bytes is longer than ${limits.maxTextBytes}`);
      visitor.text(cursor.text(length), field, shape);
    } else {
      walkMessage(walk, inner, kind(), depth + 1);
    }
  }
  visitor.end(shape, span);
}

/** One number, or as many as a packed field holds. */
function visitNumbers({ cursor, visitor }: Walk, content: Span, tag: number, shape: MessageShape): void {
  const field = Math.floor(tag / 8);
  if (tag % 8 === 0) cursor.offset = content.start;
  if (tag % 8 === 0 || tag % 8 === 2)
    while (cursor.offset < content.end) visitor.number?.(cursor.varint(content.end), field, shape);
  cursor.offset = content.end;
}

/** Bytes of a field's content after its tag (and length); a varint is read on the way and has none left. */
function fieldLength(cursor: Cursor, wireType: number, end: number): number {
  switch (wireType) {
    case 0:
      cursor.varint(end);
      return 0;
    case 1:
      return 8;
    case 2:
      return cursor.varint(end);
    case 5:
      return 4;
    default:
      throw new MalformedError(`the field before byte ${cursor.offset} has the unknown wire type ${wireType}`);
  }
}

/** A place in a file, and a window of its bytes around that place. */
class Cursor {
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowLength = 0;
  offset = 0;

  constructor(
    descriptor: number,
    readonly sizeBytes: number,
  ) {
    this.#descriptor = descriptor;
  }

  varint(end: number): number {
    let value = 0;
    // Ten bytes hold 64 bits; beyond 2^53 the value is no longer exact, but no length that large can pass.
    for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
      if (this.offset >= end) break;
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new MalformedError(`the number before byte ${this.offset} has no end`);
  }

  text(length: number): string {
    const index = this.offset - this.#windowStart;
    if (index >= 0 && index + length <= this.#windowLength) {
      this.offset += length;
      return this.#window.toString('utf8', index, index + length);
    }
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const read = readSync(this.#descriptor, bytes, done, length - done, this.offset + done);
      if (read === 0) throw new MalformedError('the file became shorter while it was read');
      done += read;
    }
    this.offset += length;
    return bytes.toString('utf8');
  }

  #byte(): number {
    const index = this.offset - this.#windowStart;
    if (index < 0 || index >= this.#windowLength) {
      this.#windowStart = this.offset;
      this.#windowLength = readSync(this.#descriptor, this.#window, 0, WINDOW_BYTES, this.offset);
      if (this.#windowLength === 0) throw new MalformedError('the file became shorter while it was read');
      return this.#byte();
    }
    this.offset += 1;
    return this.#window.readUInt8(index);
  }
}
