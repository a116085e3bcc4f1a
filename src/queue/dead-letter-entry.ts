import { isUtf8 } from 'node:buffer';

import { isObject, NOTE_KEY, parseObject, readDeadLetter, sha1Hex } from './dead-letter.js';
import { jsonMembers } from './json-members.js';

/** What is known of a dead letter. */
export interface DeadLetterEntry {
  /** The id of its note; the SHA-1 of the entry where there is no note (then identical entries share it). */
  readonly id: string;
  /** `decode`, `exhausted`, `http_404`, …; `unknown` where there is no note. */
  readonly reason: string;
  readonly failedAt: Date | undefined;
  readonly attempts: number | undefined;
  /** How many consumers died with it in hand. */
  readonly kills: number | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** All digits of the job's `photo_id`, however large the number. */
  readonly photoId: string | undefined;
  readonly requestId: string | undefined;
  /** Length of the entry. */
  readonly sizeBytes: number;
  /** All that the runner noted; undefined for an entry that no runner wrote. */
  readonly note: Readonly<Record<string, unknown>> | undefined;
  /** The bytes that the producer pushed; undefined where the entry is longer than 16 MiB: `get()` loads it. */
  readonly element: Buffer | undefined;
}

/** The reason of entries that no runner wrote. */
const UNKNOWN = 'unknown';

/** The note of a bare entry, which lies elsewhere. */
export interface KeptNote {
  readonly id: string;
  readonly note: Readonly<Record<string, unknown>>;
}

/** Describes the bytes of an entry; `kept` is the note that lies elsewhere where the entry is bare. */
export function describeEntry(bytes: Buffer, kept: KeptNote | undefined): DeadLetterEntry {
  const members = parseObject(bytes);
  const inside = kept === undefined && members && Object.hasOwn(members, NOTE_KEY) ? members[NOTE_KEY] : undefined;
  const note = kept?.note ?? (isObject(inside) ? inside : undefined);
  return {
    ...noteFacts(note),
    id: kept?.id ?? noteId(note) ?? sha1Hex(bytes),
    photoId: members && idIn(members, 'photo_id', bytes),
    requestId: members && idIn(members, 'request_id', bytes),
    sizeBytes: bytes.length,
    get element() {
      return kept === undefined ? readDeadLetter(bytes).original : bytes;
    },
  };
}

/** The same of an entry whose bytes are too many to load. */
export function describeLongEntry(sizeBytes: number, sha1: string, kept: KeptNote | undefined): DeadLetterEntry {
  const unknown = { photoId: undefined, requestId: undefined, element: undefined };
  return { ...noteFacts(kept?.note), id: kept?.id ?? sha1, sizeBytes, ...unknown };
}

type NoteFacts = Pick<DeadLetterEntry, 'reason' | 'failedAt' | 'attempts' | 'kills' | 'error' | 'note'>;

/** Anybody may have written the note: nothing in it is taken for granted. */
function noteFacts(note: Readonly<Record<string, unknown>> | undefined): NoteFacts {
  const error = note?.['error'];
  const failedAt = new Date(textOf(note?.['failedAt']) ?? Number.NaN);
  return {
    note,
    reason: textOf(note?.['reason']) ?? UNKNOWN,
    failedAt: Number.isNaN(failedAt.getTime()) ? undefined : failedAt,
    attempts: countOf(note?.['attempts']),
    kills: countOf(note?.['kills']),
    error: isObject(error) ? { code: textOf(error['code']) ?? '', message: textOf(error['message']) ?? '' } : undefined,
  };
}

function noteId(note: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const id = textOf(note?.['id']);
  return id === '' ? undefined : id;
}

/** Numbers beyond 2^53 are read from the text: `JSON.parse` would give another photo's id. */
function idIn(members: Readonly<Record<string, unknown>>, key: string, bytes: Buffer): string | undefined {
  const value = Object.hasOwn(members, key) ? members[key] : undefined;
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return undefined;
  if (Number.isSafeInteger(value)) return String(value);
  const text = bytes.toString();
  // The last of repeated keys counts, as it does for `JSON.parse`.
  const member = jsonMembers(text).findLast((candidate) => candidate.key === key);
  return (
    member &&
    text
      .slice(member.start, member.end)
      .replace(/^[^:]*:/, '')
      .trim()
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}

/** An element as text where it is text, as Base64 else: for people and JSON. */
export function elementText(element: Buffer): { readonly text: string } | { readonly base64: string } {
  return isUtf8(element) ? { text: element.toString() } : { base64: element.toString('base64') };
}
