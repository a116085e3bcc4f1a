import type { DeadLetterEntry, QueueDepth } from 'clip-runner';
import type { Database } from './database/database.js';
import { markFailed } from './database/tasks.js';
import type { EventHub } from './event-hub.js';
import type { JobKind, JobQueues } from './queues/job-queues.js';

const LOOK_MS = 1_000;
/** Dead letters that are looked through at most, the oldest first. */
const MOST_LETTERS = 10_000;

export interface QueueWatchOptions {
  readonly database: Database;
  readonly queues: JobQueues;
  readonly hub: EventHub;
  /** Told of each photo whose job died. */
  readonly onFailed: (photoId: number) => void;
}

/** Looks at the queues every second: tells the pages how long they are, and photos that their jobs are dead. */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #told = '';
  #dead: number | undefined;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.look(), LOOK_MS);
  }

  /** Looks again at all dead letters, the next time. */
  forget(): void {
    this.#dead = undefined;
  }

  /** One look at a time; never rejects. */
  look(): Promise<void> {
    this.#look ??= this.#lookOnce()
      // Redis or the database is away: the next look may find them.
      .catch(() => undefined)
      .finally(() => (this.#look = undefined));
    return this.#look;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#look;
  }

  async #lookOnce(): Promise<void> {
    const { queues, hub } = this.#options;
    const [photos, texts] = await Promise.all([queues.depth('photos'), queues.depth('texts')]);
    const depths: Record<JobKind, QueueDepth> = { photos, texts };
    const told = JSON.stringify(depths);
    if (told !== this.#told) hub.publishToAll({ type: 'queue', depths });
    this.#told = told;
    if (photos.dead === this.#dead) return;
    this.#dead = photos.dead;
    if (photos.dead > 0) await this.#markDead();
  }

  async #markDead(): Promise<void> {
    const { database, queues, onFailed } = this.#options;
    const letters = await listDead(queues, 'photos');
    const failed = letters.flatMap(({ photoId, reason }) => {
      const id = Number(photoId);
      return Number.isInteger(id) && id > 0 && id < 2 ** 31 ? [{ photoId: id, reason }] : [];
    });
    for (const { id } of await markFailed(database, failed)) onFailed(id);
  }
}

/** The dead letters of a kind that match, the first to die first. */
export async function listDead(
  queues: JobQueues,
  kind: JobKind,
  matches: (entry: DeadLetterEntry) => boolean = () => true,
): Promise<readonly DeadLetterEntry[]> {
  const found: DeadLetterEntry[] = [];
  let seen = 0;
  for await (const entry of queues.deadLetters(kind).entries()) {
    if (++seen > MOST_LETTERS) break;
    if (matches(entry)) found.push(entry);
  }
  return found;
}
