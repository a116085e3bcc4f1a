import { memoryQueue } from '../../src/queue/memory.js';
import { readDeadLetter, sha1Hex } from '../../src/queue/dead-letter.js';
import type { Claim, Failure, Queue, QueueDepth, RetryOutcome } from '../../src/queue/queue.js';
import { MODEL_OPTIONS, type ModelWorld } from './queue-model.js';
import { VirtualClock } from './virtual-clock.js';

/** Longer than any wait for a next attempt. */
const AGES_MS = 10_000_000;

/** The queue in memory: one consumer, and no way to die but that of its process. */
export function memoryModelWorld(): ModelWorld {
  const clock = new VirtualClock();
  const queue = memoryQueue({ ...MODEL_OPTIONS, clock, random: () => 0 });
  const watched = new WatchedQueue(queue);
  return {
    open: async () => {
      await queue.open();
      return { queue: watched, id: 'me' };
    },
    push: (element) => {
      queue.push(element);
      return Promise.resolve();
    },
    read: async () => {
      const { held, waitingForRetry, attempts } = watched;
      const dead = queue.dead();
      const depth = await queue.depth();
      // What it says of itself has to agree with what it was seen to do.
      if (depth.inFlight !== held.length || depth.retry !== waitingForRetry.length || depth.dead !== dead.length) {
        throw new Error(`The depth is ${JSON.stringify(depth)}, but ${held.length} are held.`);
      }
      return {
        waiting: queue.waiting().map(latin1),
        suspects: [],
        retry: waitingForRetry.map(latin1),
        held: new Map([['me', held.map(latin1)]]),
        dead: dead.map(({ entry }) => {
          const { original, note } = readDeadLetter(entry);
          return { raw: latin1(original), note: note ?? {} };
        }),
        tries: attempts,
        consumers: [],
        keys: [],
      };
    },
    passTime: async () => {
      await clock.advance(AGES_MS);
      watched.waitingForRetry.splice(0);
    },
    dispose: () => queue.close(),
  };
}

/** Notes from calls and answers where each element has to be. */
class WatchedQueue implements Queue {
  readonly name: string;
  readonly jobs: Queue['jobs'];
  readonly #queue: Queue;
  readonly held: Buffer[] = [];
  readonly waitingForRetry: Buffer[] = [];
  readonly attempts = new Map<string, string>();

  constructor(queue: Queue) {
    this.#queue = queue;
    this.name = queue.name;
    this.jobs = queue.jobs;
  }

  open(): Promise<void> {
    return this.#queue.open();
  }

  /** Answers at once: its clock stands still. */
  async claim(max: number): Promise<readonly Claim[]> {
    const controller = new AbortController();
    const claims = this.#queue.claim(max, controller.signal);
    controller.abort();
    this.held.push(...(await claims).map(({ raw }) => raw));
    return claims;
  }

  async ack(claims: readonly Claim[]): Promise<void> {
    await this.#queue.ack(claims);
    for (const { raw } of claims) {
      this.#letGo(raw);
      this.attempts.delete(sha1Hex(raw));
    }
  }

  async retry(claim: Claim, failure: Failure): Promise<RetryOutcome> {
    const outcome = await this.#queue.retry(claim, failure);
    this.#letGo(claim.raw);
    if (outcome.kind === 'scheduled') this.waitingForRetry.push(claim.raw);
    if (outcome.kind === 'scheduled') this.attempts.set(sha1Hex(claim.raw), String(outcome.attempts));
    else this.attempts.delete(sha1Hex(claim.raw));
    return outcome;
  }

  async bury(claim: Claim, failure: Failure): Promise<void> {
    await this.#queue.bury(claim, failure);
    this.#letGo(claim.raw);
    this.attempts.delete(sha1Hex(claim.raw));
  }

  async giveBack(): Promise<number> {
    this.held.splice(0);
    return this.#queue.giveBack();
  }

  depth(): Promise<QueueDepth> {
    return this.#queue.depth();
  }

  async close(): Promise<void> {
    this.held.splice(0);
    await this.#queue.close();
  }

  #letGo(raw: Buffer): void {
    this.held.splice(
      this.held.findIndex((held) => held.equals(raw)),
      1,
    );
  }
}

const latin1 = (raw: Buffer): string => raw.toString('latin1');
