import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

import type { RunnerError } from '../errors.js';
import { withoutMember } from './json-members.js';

/** The key of the note in an entry. */
export const NOTE_KEY = '_runner';
const MAX_MESSAGE_CHARACTERS = 1000;

/** What is noted beside a dead element, under the key `_runner`. */
export interface DeadLetterNote {
  readonly v: 1;
  readonly id: string;
  readonly queue: string;
  /** Short and stable: `decode`, `http_404`, `exhausted`, `poison`, … */
  readonly reason: string;
  readonly error: { readonly name: string; readonly code: string; readonly message: string };
  /** How often the job was tried. */
  readonly attempts: number;
  /** How many consumers died with it in hand. */
  readonly kills: number;
  /** ISO 8601. */
  readonly firstFailedAt: string;
  readonly failedAt: string;
  /** `host:pid@version` of the runner that gave up. */
  readonly by: string;
  /** Of the bytes that `readDeadLetter()` gives back. */
  readonly sha1: string;
  /** `id` of the dead letter that this element was before somebody queued it again. */
  readonly previous?: string;
  /** The element, where it was text but not a JSON object. */
  readonly raw?: string;
  /** The element, where it was not UTF-8. */
  readonly rawBase64?: string;
}

export interface DeadLetterFacts {
  readonly id: string;
  readonly queue: string;
  readonly reason: string;
  readonly error: RunnerError;
  readonly attempts: number;
  readonly kills: number;
  readonly firstFailedAtMs: number;
  readonly failedAtMs: number;
  readonly by: string;
}

export interface DeadLetter {
  /** What goes into the list of dead letters. */
  readonly entry: Buffer;
  readonly note: DeadLetterNote;
  /** True where the entry is the element itself, byte for byte, and the note has to be kept elsewhere. */
  readonly isBare: boolean;
}

/**
 * Makes the dead letter of an element. A JSON object gets the note as one further key before its last brace, so that
 * old readers still find the job and every byte of it stays. Anything else becomes an object with the note alone, which
 * then holds the element. An element longer than `maxElementBytes` is neither parsed nor copied: the entry is bare.
 */
export function deadLetter(raw: Buffer, facts: DeadLetterFacts, maxElementBytes: number): DeadLetter {
  if (raw.length > maxElementBytes) {
    return { entry: raw, note: noteOf(facts, { sha1: sha1Hex(raw) }), isBare: true };
  }
  const { original, note: previousNote } = readDeadLetter(raw);
  const previous = previousNote?.['id'];
  const note = noteOf(facts, {
    sha1: sha1Hex(original),
    ...(typeof previous === 'string' && { previous: previous.slice(0, 64) }),
  });
  const members = parseObject(original);
  if (members) return { entry: spliced(original, members, note), note, isBare: false };

  const holding: DeadLetterNote = isUtf8(original)
    ? { ...note, raw: original.toString() }
    : { ...note, rawBase64: original.toString('base64') };
  return { entry: Buffer.from(JSON.stringify({ [NOTE_KEY]: holding })), note: holding, isBare: false };
}

/** The element that an entry was made of, and the note beside it where there is one. */
export function readDeadLetter(entry: Buffer): {
  readonly original: Buffer;
  readonly note: Readonly<Record<string, unknown>> | undefined;
} {
  const members = parseObject(entry);
  if (!members || !Object.hasOwn(members, NOTE_KEY)) return { original: entry, note: undefined };

  const value = members[NOTE_KEY];
  const note = isObject(value) ? value : {};
  if (Object.keys(members).length === 1) {
    if (typeof note['raw'] === 'string') return { original: Buffer.from(note['raw']), note };
    if (typeof note['rawBase64'] === 'string') return { original: Buffer.from(note['rawBase64'], 'base64'), note };
  }
  return { original: Buffer.from(withoutMember(entry.toString(), NOTE_KEY)), note };
}

/** SHA-1 of an element, as `redis.sha1hex` computes it; names its counters. */
export function sha1Hex(raw: Buffer): string {
  return createHash('sha1').update(raw).digest('hex');
}

function noteOf(facts: DeadLetterFacts, rest: Pick<DeadLetterNote, 'sha1' | 'previous'>): DeadLetterNote {
  const { id, queue, reason, error, attempts, kills, by } = facts;
  return {
    v: 1,
    id,
    queue,
    reason,
    error: { name: error.name, code: error.code, message: printable(error.message) },
    attempts,
    kills,
    firstFailedAt: new Date(facts.firstFailedAtMs).toISOString(),
    failedAt: new Date(facts.failedAtMs).toISOString(),
    by,
    ...rest,
  };
}

function spliced(original: Buffer, members: Record<string, unknown>, note: DeadLetterNote): Buffer {
  const brace = original.lastIndexOf('}');
  const comma = Object.keys(members).length > 0 ? ',' : '';
  const member = `${comma}${JSON.stringify(NOTE_KEY)}:${JSON.stringify(note)}`;
  return Buffer.concat([original.subarray(0, brace), Buffer.from(member), original.subarray(brace)]);
}

/** The members of a JSON object, or undefined where the bytes are anything else. */
export function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Control characters become visible escapes, so that no terminal obeys a file name; long texts end in an ellipsis. */
function printable(message: string): string {
  const characters = Array.from(message.slice(0, 2 * MAX_MESSAGE_CHARACTERS), (character) => {
    const code = character.codePointAt(0) ?? 0;
    const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029;
    const isHalf = code >= 0xd800 && code < 0xe000;
    return isControl || isHalf ? `\\u${code.toString(16).padStart(4, '0')}` : character;
  });
  const text = characters.join('');
  if (text.length <= MAX_MESSAGE_CHARACTERS) return text;
  // The cut may not leave half a character behind.
  return `${text.slice(0, MAX_MESSAGE_CHARACTERS - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
