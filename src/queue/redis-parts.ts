import type { RunnerError } from '../errors.js';
import { ClaimBook } from './claim-book.js';
import type { Clock } from '../clock.js';
import { ProcessingList } from './processing-list.js';
import { QueueHealth } from './queue-health.js';
import { Outbox } from './redis-outbox.js';
import type { QueueListener } from './queue.js';
import { RedisClaimer } from './redis-claimer.js';
import { serverFinders } from './redis-finder.js';
import { redisKeys, type RedisKeys } from './redis-keys.js';
import { RedisLink } from './redis-link.js';
import type { ResolvedRedisQueueOptions } from './redis-options.js';
import { Registration } from './redis-registration.js';
import { RedisSettler } from './redis-settler.js';

const COMMAND_TIMEOUT_MS = 10_000;

export interface RedisPartsContext {
  readonly consumer: string;
  /** `host:pid@version`, for the dead letters. */
  readonly by: string;
  readonly clock: Clock;
  readonly emit: QueueListener;
  /** The value of the heartbeat. */
  readonly describe: () => Readonly<Record<string, unknown>>;
}

/** What a Redis queue is made of. */
export interface RedisParts {
  readonly keys: RedisKeys;
  readonly book: ClaimBook;
  readonly health: QueueHealth;
  /** For everything but blocking claims, which would hold up the rest. */
  readonly commands: RedisLink;
  readonly blocking: RedisLink;
  /** To the dead letters: the same as `commands` where those share the queue's slot. */
  readonly letters: RedisLink;
  readonly processing: ProcessingList;
  readonly registration: Registration;
  readonly settler: RedisSettler;
  readonly claimer: RedisClaimer;
  readonly outbox: Outbox;
}

/** Makes the parts of one queue and ties them together; connects nothing yet. */
export function makeRedisParts(options: ResolvedRedisQueueOptions, context: RedisPartsContext): RedisParts {
  const { clock, emit } = context;
  const keys = redisKeys(options.name, options.deadLetterName, options.servers.kind === 'cluster');
  const finderOf = serverFinders(options.servers, clock);
  const list = keys.processing(context.consumer);
  const book = new ClaimBook(context.consumer);
  const health = new QueueHealth(emit);

  const makeLink = (
    part: 'commands' | 'blocking' | 'letters',
    onConnect: () => void,
    commandTimeoutMs?: number,
  ): RedisLink =>
    new RedisLink({
      ...options,
      clock,
      find: finderOf(part === 'letters' ? keys.deadLetters : keys.queue),
      onConnect: () => {
        health.succeed(part);
        onConnect();
      },
      onError: (error) => health.fail(part, error),
      ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
    });
  const blocking = makeLink('blocking', () => undefined);
  const commands = makeLink(
    'commands',
    () => {
      // The server may be another one now, or have gone back to an older state.
      registration.expire();
      processing.doubt();
    },
    COMMAND_TIMEOUT_MS,
  );
  const letters = keys.outbox === undefined ? commands : makeLink('letters', () => undefined, COMMAND_TIMEOUT_MS);

  const onFault = (error: RunnerError | undefined): void =>
    error ? health.fail('settle', error) : health.succeed('settle');
  const processing = new ProcessingList({ link: commands, keys, list, book, clock, emit, onFault });
  const onRunOut = (): void => processing.doubt();
  const registration = new Registration({ ...options, ...context, link: commands, keys, onRunOut });
  const onLost = (): void => emit({ type: 'lease:lost', count: 1 });
  const settler = new RedisSettler({ ...options, ...context, link: commands, keys, list, processing, onLost });
  const outbox = new Outbox({ keys, commands, letters, clock });
  const shared = { commands, blocking, letters, outbox, keys, book, processing, registration, settler, health };
  return { ...shared, claimer: new RedisClaimer({ ...options, ...shared, list, clock }) };
}
