import type { Redis } from 'ioredis';
import {
  createRunner,
  httpSink,
  memoryQueue,
  redisQueue,
  type HttpSinkOptions,
  type Queue,
  type Runner,
  type RunnerOptions,
} from '../../dist/index.js';
import { readDeadLetter, sha1Hex, type DeadLetterNote } from '../../src/queue/dead-letter.js';
import { startGalleryServer, type GalleryCallback, type GallerySettings } from './gallery-server.js';
import { until } from './until.js';

/** A queue of either kind, seen from both of its ends. */
export interface TestQueue {
  readonly queue: Queue;
  push(elements: readonly Buffer[]): Promise<void>;
  dead(): Promise<readonly Dead[]>;
}

interface Dead {
  /** The element, byte for byte. */
  readonly raw: Buffer;
  readonly note: DeadLetterNote;
}

const QUICK = { backoffBaseMs: 10, backoffMaxMs: 20 } as const;

export function inMemory(options: Parameters<typeof memoryQueue>[0] = {}): TestQueue {
  const queue = memoryQueue({ ...QUICK, ...options });
  return {
    queue,
    push: (elements) => {
      queue.push(...elements);
      return Promise.resolve();
    },
    dead: () => Promise.resolve(queue.dead().map(({ raw, entry }) => ({ raw, note: noteIn(entry)! }))),
  };
}

function noteIn(entry: Buffer): DeadLetterNote | undefined {
  return readDeadLetter(entry).note as DeadLetterNote | undefined;
}

/** A queue in Redis; notes that are kept beside bare dead letters are found, too. */
export function inRedis(
  client: Redis,
  options: Parameters<typeof redisQueue>[0] & { readonly name: string },
): TestQueue {
  const { name } = options;
  const bareNote = async (entry: Buffer): Promise<DeadLetterNote> => {
    const notes = Object.values(await client.hgetall(`runner:{${name}}:dlqmeta`));
    return notes.map((text) => JSON.parse(text) as DeadLetterNote).find(({ sha1 }) => sha1 === sha1Hex(entry))!;
  };
  return {
    queue: redisQueue({ ...QUICK, promoteEveryMs: 20, ...options }),
    push: async (elements) => {
      await client.lpush(name, ...elements);
    },
    dead: async () => {
      const entries = (await client.lrangeBuffer(`${name}_dlq`, 0, -1)).reverse();
      return Promise.all(
        entries.map(async (entry) => ({
          raw: readDeadLetter(entry).original,
          note: noteIn(entry) ?? (await bareNote(entry)),
        })),
      );
    },
  };
}

/** A job under test. Its id finds its callbacks; its bytes find its dead letter. */
export interface JobCase {
  readonly id: string;
  readonly element: Buffer;
}

export interface JobRun {
  readonly cases: Readonly<Record<string, JobCase>>;
  /** Good jobs. They are pushed between the others, so that each of those has company in its batch. */
  readonly mates: readonly JobCase[];
  readonly queue?: TestQueue;
  readonly runner: Partial<RunnerOptions>;
  readonly gallery?: GallerySettings;
  readonly sink?: HttpSinkOptions;
  /** Called when a job is to be tried again, before that. */
  readonly onRetried?: (id: string) => void;
  readonly withinMs?: number;
}

/** What became of the jobs of a run. */
export interface JobFates {
  /**
   * How a job ended: `OK` where the gallery has its callbacks, `ack` where it was done without any, `P <reason>` where it
   * went to the dead letters at its first attempt, `R<n> <reason>` where it did so after n. `W ` stands before it where a
   * callback had to wait.
   */
  of(name: string): string;
  callbacksOf(name: string): readonly GalleryCallback[];
  deadOf(name: string): Dead | undefined;
  /** Ids of mates that the gallery has no callback of. */
  readonly lostMates: readonly string[];
  /** Attempts that any job spent. */
  readonly attempts: ReadonlyMap<string, number>;
  readonly warnings: readonly string[];
}

/** Runs jobs through a real runner to a real server until each has ended. */
export async function runJobs({ cases, mates, withinMs = 180_000, ...parts }: JobRun): Promise<JobFates> {
  const gallery = await startGalleryServer(parts.gallery);
  const queue = parts.queue ?? inMemory();
  const sink = httpSink({ baseUrl: gallery.url, token: gallery.token, ...parts.sink });
  const runner = createRunner({ device: 'cpu', ...parts.runner, queue: queue.queue, sink });
  const watch = watchJobs(runner, parts.onRetried);
  const all = mixed(Object.values(cases), mates);
  try {
    await runner.start();
    await queue.push(all.map(({ element }) => element));
    await until(`all of ${all.length} jobs have ended`, () => watch.ended() === all.length, withinMs).catch(
      (error: unknown) => {
        const names = Object.keys(cases).filter((name) => !watch.ids.has(cases[name]!.id));
        throw new Error(`Not ended, or with an id that could not be read: ${names.join('; ')}`, { cause: error });
      },
    );
    const dead = await queue.dead();
    const deadOf = (name: string): Dead | undefined => dead.find(({ raw }) => raw.equals(cases[name]!.element));
    const callbacksOf = (name: string): readonly GalleryCallback[] => gallery.callbacksFor(cases[name]!.id);
    return {
      callbacksOf,
      deadOf,
      of: (name) => {
        const waited = watch.held.has(cases[name]!.id) ? 'W ' : '';
        const note = deadOf(name)?.note;
        if (note === undefined) return waited + (callbacksOf(name).length > 0 ? 'OK' : 'ack');
        return `${waited}${note.attempts === 1 ? 'P' : `R${note.attempts}`} ${note.reason}`;
      },
      lostMates: mates.filter(({ id }) => gallery.callbacksFor(id).length === 0).map(({ id }) => id),
      attempts: watch.attempts,
      warnings: watch.warnings,
    };
  } finally {
    await runner.stop();
    await gallery.close();
  }
}

interface Watch {
  /** Of jobs that have ended. */
  readonly ids: Set<string>;
  readonly held: Set<string>;
  readonly attempts: Map<string, number>;
  readonly warnings: string[];
  ended(): number;
}

function watchJobs(runner: Runner, onRetried: JobRun['onRetried']): Watch {
  let ended = 0;
  const watch: Watch = { ids: new Set(), held: new Set(), attempts: new Map(), warnings: [], ended: () => ended };
  const count = ({ jobId }: { readonly jobId: string }): void => {
    ended += 1;
    watch.ids.add(jobId);
  };
  runner.on('job:done', count);
  runner.on('job:buried', count);
  runner.on('callback:held', ({ jobId }) => watch.held.add(jobId));
  runner.on('job:retried', ({ jobId, attempts }) => {
    watch.attempts.set(jobId, attempts);
    onRetried?.(jobId);
  });
  runner.on('job:warning', ({ message }) => watch.warnings.push(message));
  return watch;
}

/** One of the first, one of the second, and so on; then what is left of the longer list. */
function mixed<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  return Array.from({ length: Math.max(first.length, second.length) }, (_, index) => [
    ...first.slice(index, index + 1),
    ...second.slice(index, index + 1),
  ]).flat();
}
