import type { Redis } from 'ioredis';

import type { Clock } from '../clock.js';
import type { RedisKeys } from './redis-keys.js';
import type { PipelineReply, RedisLink } from './redis-link.js';

export interface RegistrationOptions {
  readonly link: RedisLink;
  readonly keys: RedisKeys;
  readonly consumer: string;
  readonly heartbeatTtlMs: number;
  readonly clock: Clock;
  /** What tools see of this consumer: the value of its heartbeat. */
  readonly describe: () => Readonly<Record<string, unknown>>;
  /** The registration was not there any more: claims may have been taken away meanwhile. */
  readonly onRunOut: () => void;
}

/**
 * This consumer's sign of life. As long as it beats nobody takes its claims away; nothing may be claimed while the last
 * good beat is older than half the time to live.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  #lastGoodMs = -Infinity;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** The server may have forgotten us: the next `ensure()` registers again. */
  expire(): void {
    this.#lastGoodMs = -Infinity;
  }

  /** @throws RunnerError where the server doesn't take the registration; then nothing may be claimed. */
  async ensure(): Promise<void> {
    const { clock, heartbeatTtlMs } = this.#options;
    if (clock.now() - this.#lastGoodMs > heartbeatTtlMs / 2) await this.beat();
  }

  /**
   * Extends the registration or makes it anew.
   * @throws RunnerError where the server refuses.
   */
  async beat(): Promise<void> {
    const { link, keys, consumer, heartbeatTtlMs, clock, describe, onRunOut } = this.#options;
    const heartbeat = keys.heartbeat(consumer);
    const value = JSON.stringify(describe());
    // The server's clock for the key starts after this moment, never before.
    const sentAtMs = clock.now();
    const [extended, written, listed] = await link.pipeline((pipeline) => {
      // PEXPIRE comes first because it works when the server is out of memory: a beating consumer isn't taken for dead.
      pipeline.pexpire(heartbeat, heartbeatTtlMs);
      pipeline.set(heartbeat, value, 'PX', heartbeatTtlMs);
      // Each time, because a server that went back to an older state may have lost it.
      pipeline.sadd(keys.consumers, consumer);
    });
    const wasAlive = extended?.[1] === 1;
    const refusal = failureOf(extended) ?? failureOf(written) ?? failureOf(listed);
    if (refusal && !wasAlive) throw refusal;
    this.#lastGoodMs = sentAtMs;
    if (!wasAlive) onRunOut();
  }

  /** Strikes this consumer off where it holds nothing; otherwise only lets it be found sooner. */
  async end(client: Redis): Promise<void> {
    const { keys, consumer } = this.#options;
    const isEmpty = (await client.llen(keys.processing(consumer))) === 0;
    if (isEmpty) await client.srem(keys.consumers, consumer);
    await client.unlink(keys.heartbeat(consumer));
  }
}

function failureOf(reply: PipelineReply | undefined): Error | undefined {
  return reply?.[0] ?? undefined;
}
