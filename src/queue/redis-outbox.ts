import type { Redis } from 'ioredis';

import type { Clock } from '../clock.js';
import type { RedisKeys } from './redis-keys.js';
import type { RedisLink } from './redis-link.js';
import { runScript, SENT } from './redis-scripts.js';
import { pause } from './waiting.js';

const CHUNK = 100;
const GATE_MS = 10_000;
const GATE_POLL_MS = 100;
const REMEMBER_MS = 3_600_000;

export interface OutboxOptions {
  readonly keys: RedisKeys;
  /** To the server that holds the queue and the outbox. */
  readonly commands: RedisLink;
  /** To the server that holds the dead letters. */
  readonly letters: RedisLink;
  readonly clock: Clock;
}

/**
 * Brings dead letters from the outbox to their list, which lies in another slot of a cluster: two servers can't do that in
 * one step. An entry leaves the outbox when it has arrived. If the mover dies in between, it arrives twice, with the same
 * `id`; it is never lost. Without a foreign slot there is no outbox and nothing to do.
 */
export class Outbox {
  readonly #options: OutboxOptions;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Empties the outbox, unless another runner is at it. Answers whether it was this one's turn. */
  async flush(signal: AbortSignal): Promise<boolean> {
    const { keys, commands, letters } = this.#options;
    const { outbox, outboxGate, sent, deadLetters } = keys;
    if (outbox === undefined) return true;
    await commands.ready(signal);
    // Also while nothing waits, so that trouble is seen before it matters.
    await letters.ready(signal);
    if ((await commands.use((client) => client.llen(outbox))) === 0) return true;
    if ((await commands.use((client) => client.set(outboxGate, '1', 'PX', GATE_MS, 'NX'))) !== 'OK') return false;
    const oldest = (client: Redis): Promise<Buffer[]> => client.lrangeBuffer(outbox, -CHUNK, -1);
    for (let entries = await commands.use(oldest); entries.length > 0; entries = await commands.use(oldest)) {
      for (const entry of entries.reverse()) {
        await letters.use((client) => client.lpush(deadLetters, entry));
        await commands.use((client) => runScript(client, SENT, [outbox, sent], [entry, REMEMBER_MS]));
      }
    }
    await commands.use((client) => client.unlink(outboxGate));
    return true;
  }

  /** The same, and waits for the other runner: what was buried before this call has arrived, or `signal` aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.flush(signal))) await pause(GATE_POLL_MS, signal, this.#options.clock);
  }
}
