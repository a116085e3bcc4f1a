import type { Redis, RedisOptions } from 'ioredis';

import type { Clock } from '../clock.js';
import { anySignal, orAbort } from './waiting.js';

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
  connectTimeout: 10_000,
  keepAlive: 10_000,
  // RESP2 is spoken by every compatible server, and CLIENT SETINFO is unknown before Redis 7.2.
  protocol: 2,
  disableClientInfo: true,
  replyMapping: 'legacy',
  // Both would end a blocking claim on our side only.
  socketTimeout: undefined,
  blockingTimeout: undefined,
  // Where the server is has been found out before, see `ServerFinder`.
  sentinels: undefined,
} as const satisfies RedisOptions;

/**
 * Makes a client that connects once, by `connectOnce()`, and never sends anything a second time. The library is loaded with
 * the first one: a process that serves models alone is spared its memory.
 */
export async function makeClient(connection: RedisOptions, commandTimeoutMs: number | undefined): Promise<Redis> {
  const { Redis } = await import('ioredis');
  const options: RedisOptions = {
    connectionName: 'clip-runner',
    ...connection,
    ...FIXED_OPTIONS,
    commandTimeout: commandTimeoutMs,
  };
  // The two types of the client differ in replies of RESP3 only, which is not spoken here.
  return new Redis(options as RedisOptions & { replyMapping?: 'legacy' });
}

/**
 * Connects a client, or breaks it off and rejects with the cause. The deadline covers the handshake too, which ioredis
 * leaves without one.
 */
export async function connectOnce(client: Redis, withinMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  const deadline = new AbortController();
  const cancel = clock.after(withinMs, () => deadline.abort(new Error(`no connection within ${withinMs} ms`)));
  const either = anySignal([deadline.signal, signal]);
  let cause: unknown;
  // Stays for the client's life: without a listener ioredis would write to the console.
  client.on('error', (error: unknown) => {
    cause ??= error;
  });
  try {
    await orAbort(client.connect(), either.signal);
  } catch (thrown) {
    breakOff(client);
    throw cause ?? thrown;
  } finally {
    cancel();
    either.dispose();
  }
}

/** Breaks a connection off at once, so that nothing which is still on its way can arrive later. */
export function breakOff(client: Redis): void {
  const stream = client.stream as typeof client.stream | undefined;
  // Before `disconnect()`, which would end the stream: one that is ending can't be reset and would keep its handle, and the
  // process with it, for good. A reset also throws away what the kernel has yet to send; TLS and Unix sockets only know how to
  // be destroyed.
  const canBeReset = stream !== undefined && 'resetAndDestroy' in stream && !('encrypted' in stream);
  if (canBeReset && stream.remotePort !== undefined && !stream.writableEnded) {
    stream.resetAndDestroy();
  } else {
    stream?.destroy();
  }
  client.disconnect();
}
