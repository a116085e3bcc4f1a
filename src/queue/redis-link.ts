import type { ChainableCommander, Redis } from 'ioredis';

import { RunnerError } from '../errors.js';
import type { Clock } from '../clock.js';
import { breakOff, connectOnce, makeClient } from './redis-client.js';
import { isRefusal, isWrongServer, queueError } from './redis-errors.js';
import type { ServerFinder } from './redis-finder.js';
import { backoffMs } from './retry-policy.js';
import { anySignal, orAbort, pause, within } from './waiting.js';

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_BACKOFF = { backoffBaseMs: 100, backoffMaxMs: 10_000 };

export interface RedisLinkOptions {
  /** Says where to connect to; asked anew each time. */
  readonly find: ServerFinder;
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

  /** Whether `ready()` would answer at once. */
  get isReady(): boolean {
    return !this.#isClosed() && this.#client?.status === 'ready';
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
   * Does some work on the connection that stands; doesn't wait for one. See `judge()` for what a failure means to it.
   * @throws RunnerError `QUEUE_UNAVAILABLE`, `QUEUE_WRONG_TYPE`
   */
  async use<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (client?.status !== 'ready') throw this.#lastError ?? this.#error(new Error('not connected'));
    try {
      return await work(client);
    } catch (thrown) {
      this.judge(client, thrown);
      throw this.#error(thrown);
    }
  }

  /** Sends commands at one go. Answers for each: some may have been carried out although others failed. */
  async pipeline(fill: (pipeline: ChainableCommander) => void): Promise<readonly PipelineReply[]> {
    return this.use(async (client) => {
      const pipeline = client.pipeline();
      fill(pipeline);
      const replies = (await pipeline.exec()) ?? [];
      const failure = replies.find(([error]) => error && isFatal(error))?.[0];
      if (failure) this.judge(client, failure);
      return replies.map(([error, reply]) => [error && this.#error(error), reply] as const);
    });
  }

  /** Drops a client after a failure of unknown outcome, or where its server says that it is the wrong one by now. */
  judge(client: Redis, thrown: unknown): void {
    if (isFatal(thrown)) this.drop(client);
  }

  /** Breaks a connection off at once, so that nothing which is still on its way can arrive later. */
  drop(client: Redis): void {
    if (this.#client === client) this.#client = undefined;
    breakOff(client);
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
    try {
      const client = await this.#find();
      await connectOnce(client, CONNECT_TIMEOUT_MS, this.#closing.signal, clock);
      this.#client = client;
      this.#failures = 0;
      this.#lastError = undefined;
      onConnect?.();
    } catch (thrown) {
      this.#failures += 1;
      this.#lastError = this.#error(thrown);
      if (!this.#isClosed()) onError(this.#lastError);
    }
  }

  async #find(): Promise<Redis> {
    const { find, commandTimeoutMs } = this.#options;
    return makeClient(await find(this.#closing.signal), commandTimeoutMs);
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #error(thrown: unknown): RunnerError {
    return queueError(thrown, this.#options.where);
  }
}

function isFatal(thrown: unknown): boolean {
  return !isRefusal(thrown) || isWrongServer(thrown);
}
