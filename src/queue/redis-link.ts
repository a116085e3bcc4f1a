import { type ChainableCommander, Redis, type RedisOptions } from 'ioredis';

import { RunnerError } from '../errors.js';
import type { Clock } from '../clock.js';
import { isRefusal, queueError } from './redis-errors.js';
import { backoffMs } from './retry-policy.js';
import { anySignal, orAbort, pause, within } from './waiting.js';

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_BACKOFF = { backoffBaseMs: 100, backoffMaxMs: 10_000 };

/** What every connection of ours has in common, whatever the user's own options say. */
const FIXED_OPTIONS = {
  lazyConnect: true,
  // A client object lives as long as its socket and no longer: ioredis' own reconnecting may send a command a second
  // time, or leave it without an end. A new object is made here, and whoever used the old one reconciles.
  retryStrategy: () => null,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  // RESP2 is spoken by every compatible server, and CLIENT SETINFO is unknown before Redis 7.2.
  protocol: 2,
  disableClientInfo: true,
  replyMapping: 'legacy',
  // Both would end a blocking claim on our side only.
  socketTimeout: undefined,
  blockingTimeout: undefined,
} as const satisfies RedisOptions;

export interface RedisLinkOptions {
  readonly connection: RedisOptions;
  /** The server without credentials, for messages. */
  readonly where: string;
  /** A command without an answer for this long counts as failed. Absent for blocking commands: their caller watches. */
  readonly commandTimeoutMs?: number;
  readonly random: () => number;
  readonly clock: Clock;
  /** A new connection stands. Called before `ready()` answers with it. */
  readonly onConnect?: () => void;
  /** An attempt to connect failed. */
  readonly onError: (error: RunnerError) => void;
}

/** The answer to one command of a pipeline, or why there is none. */
export type PipelineReply = readonly [error: Error | null, reply?: unknown];

/** A connection that is made anew, as a new client, whenever it breaks. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #closing = new AbortController();
  #client: Redis | undefined;
  #connecting: Promise<void> | undefined;
  #failures = 0;
  #lastError: RunnerError | undefined;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
  }

  /** Waits for a connection that stands; rejects only when `signal` aborts or the link is closed. */
  async ready(signal: AbortSignal): Promise<Redis> {
    const either = anySignal([signal, this.#closing.signal]);
    try {
      for (;;) {
        either.signal.throwIfAborted();
        if (this.#client?.status === 'ready') return this.#client;
        this.#connecting ??= this.#connect().finally(() => {
          this.#connecting = undefined;
        });
        await orAbort(this.#connecting, either.signal);
      }
    } finally {
      either.dispose();
    }
  }

  /**
   * Does some work on the connection that stands; doesn't wait for one. A client whose outcome is unknown is dropped.
   * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
   */
  async use<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (client?.status !== 'ready') throw this.#lastError ?? this.#error(new Error('not connected'));
    try {
      return await work(client);
    } catch (thrown) {
      if (!isRefusal(thrown)) this.drop(client);
      throw this.#error(thrown);
    }
  }

  /** Sends commands at one go. Answers for each: some may have been carried out although others failed. */
  async pipeline(fill: (pipeline: ChainableCommander) => void): Promise<readonly PipelineReply[]> {
    return this.use(async (client) => {
      const pipeline = client.pipeline();
      fill(pipeline);
      const replies = (await pipeline.exec()) ?? [];
      if (replies.some(([error]) => error && !isRefusal(error))) this.drop(client);
      return replies.map(([error, reply]) => [error && this.#error(error), reply] as const);
    });
  }

  /** Breaks a connection off at once, so that nothing which is still on its way can arrive later. */
  drop(client: Redis): void {
    if (this.#client === client) this.#client = undefined;
    const stream = client.stream as typeof client.stream | undefined;
    // Before `disconnect()`, which would end the stream: one that is ending can't be reset and keeps its handle for good.
    // A reset also throws away what the kernel has yet to send; TLS and Unix sockets only know how to be destroyed.
    if (stream && 'resetAndDestroy' in stream && !('encrypted' in stream) && stream.remotePort !== undefined) {
      stream.resetAndDestroy();
    } else {
      stream?.destroy();
    }
    client.disconnect();
  }

  /**
   * Says goodbye and waits for the server to close its side, after which it can't carry out anything for this client.
   * @returns false where the server didn't answer in time and may still do so.
   */
  async hangUp(client: Redis, withinMs: number): Promise<boolean> {
    if (this.#client === client) this.#client = undefined;
    const end = new Promise<boolean>((resolve) => {
      if (client.status === 'end') resolve(true);
      else client.once('end', () => resolve(true));
    });
    client.disconnect();
    const isConfirmed = (await within(withinMs, end, this.#options.clock)) ?? false;
    if (!isConfirmed) this.drop(client);
    return isConfirmed;
  }

  /** Idempotent; ends whatever waits. */
  async close(withinMs: number): Promise<void> {
    this.#closing.abort(new RunnerError('QUEUE_CLOSED', 'The queue was closed.'));
    const client = this.#client;
    if (client) await this.hangUp(client, withinMs);
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const { random, clock, onConnect, onError } = this.#options;
    if (this.#failures > 0) {
      await pause(backoffMs(this.#failures, RECONNECT_BACKOFF, random), this.#closing.signal, clock);
    }
    if (this.#isClosed()) return;
    const client = this.#create();
    let cause: unknown;
    client.on('error', (error: unknown) => {
      cause ??= error;
    });
    try {
      await this.#withinDeadline(client.connect());
      this.#client = client;
      this.#failures = 0;
      this.#lastError = undefined;
      onConnect?.();
    } catch (thrown) {
      this.drop(client);
      this.#failures += 1;
      this.#lastError = this.#error(cause ?? thrown);
      if (!this.#isClosed()) onError(this.#lastError);
    }
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** The deadline covers the handshake too, which ioredis leaves without one. */
  async #withinDeadline(connected: Promise<void>): Promise<void> {
    const deadline = new AbortController();
    const cancel = this.#options.clock.after(CONNECT_TIMEOUT_MS, () => {
      deadline.abort(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    });
    const either = anySignal([deadline.signal, this.#closing.signal]);
    await orAbort(connected, either.signal).finally(() => {
      cancel();
      either.dispose();
    });
  }

  #create(): Redis {
    const { connection, commandTimeoutMs } = this.#options;
    const options: RedisOptions = {
      connectionName: 'clip-runner',
      ...connection,
      ...FIXED_OPTIONS,
      commandTimeout: commandTimeoutMs,
    };
    // The two types of the client differ in replies of RESP3 only, which is not spoken here.
    return new Redis(options as RedisOptions & { replyMapping?: 'legacy' });
  }

  #error(thrown: unknown): RunnerError {
    return queueError(thrown, this.#options.where);
  }
}
