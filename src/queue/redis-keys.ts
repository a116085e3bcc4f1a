import { RunnerError } from '../errors.js';

/** Where one queue's things lie in Redis. All keys share the queue's hash slot. */
export interface RedisKeys {
  /** The producers' list. */
  readonly queue: string;
  readonly deadLetters: string;
  /**
   * Dead letters on their way to another slot of a cluster: list, newest at the left. Undefined where they can be written
   * in one step.
   */
  readonly outbox: string | undefined;
  /** Digests of the last ones that have gone on: list, newest at the left; lasts for an hour. */
  readonly sent: string;
  /**
   * Elements that a redrive has put back from another slot while their entries may still be among the dead letters: hash,
   * SHA-1 of the entry → how many; lasts for a day.
   */
  readonly redriven: string;
  /** Notes of dead letters that are kept bare: hash, id of the note → its JSON. */
  readonly deadLetterNotes: string;
  /** Ids of the consumers that may hold something: set. */
  readonly consumers: string;
  /** Elements that a consumer died with: list, oldest at the right. */
  readonly suspects: string;
  /** Elements that wait for their next attempt: sorted set, `<nonce>|<element>` by due time. */
  readonly retry: string;
  /** Failure counters by the SHA-1 of the element: hash, see `triesFields()`. */
  readonly tries: string;
  readonly reapGate: string;
  readonly sweepGate: string;
  readonly outboxGate: string;
  readonly takeGate: string;
  /** What a consumer holds: list, newest at the left. */
  readonly processing: (consumer: string) => string;
  /** A consumer's sign of life: string with a time to live. */
  readonly heartbeat: (consumer: string) => string;
}

/**
 * @param isCluster whether the dead letters may lie on another server than the queue
 * @throws RunnerError `OPTIONS_INVALID` for a queue name whose keys could not share a slot.
 */
export function redisKeys(name: string, deadLetterName: string, isCluster = false): RedisKeys {
  const tag = queueTag(name);
  const prefix = `runner:{${tag}}:`;
  return {
    queue: name,
    deadLetters: deadLetterName,
    outbox: isCluster && (hashTag(deadLetterName) ?? deadLetterName) !== tag ? `${prefix}dlqout` : undefined,
    sent: `${prefix}dlqsent`,
    outboxGate: `${prefix}dlqlock`,
    redriven: `${prefix}dlqback`,
    takeGate: `${prefix}dlqtakelock`,
    deadLetterNotes: `${prefix}dlqmeta`,
    consumers: `${prefix}consumers`,
    suspects: `${prefix}suspects`,
    retry: `${prefix}retry`,
    tries: `${prefix}tries`,
    reapGate: `${prefix}reaplock`,
    sweepGate: `${prefix}sweeplock`,
    processing: (consumer) => `${prefix}p:${consumer}`,
    heartbeat: (consumer) => `${prefix}hb:${consumer}`,
  };
}

/** The fields of an element's counters: attempts, kills, last touch (ms), first failure (ms). */
export function triesFields(sha1: string): readonly [string, string, string, string] {
  return [sha1, `${sha1}:k`, `${sha1}:t`, `${sha1}:f`];
}

/** A pattern for SCAN that matches this text and no other, up to a `*` that is added. */
export function scanPattern(prefix: string): string {
  return `${prefix.replace(/[*?[\]\\^-]/g, '\\$&')}*`;
}

/** What stands for the queue's name between the braces of our keys, so that they are hashed alike. */
function queueTag(name: string): string {
  const tag = hashTag(name);
  if (tag !== undefined) return tag;
  if (name.includes('}')) {
    throw new RunnerError(
      'OPTIONS_INVALID',
      `redisQueue: the option "name" must be without "}" or hold a hash tag such as "{photos}", but got ${JSON.stringify(name)}: its keys would lie in different slots of a cluster.`,
    );
  }
  return name;
}

/** The part of a key that Redis Cluster hashes in its place: between its first brace and the next, where not empty. */
function hashTag(key: string): string | undefined {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  return open >= 0 && close > open + 1 ? key.slice(open + 1, close) : undefined;
}
