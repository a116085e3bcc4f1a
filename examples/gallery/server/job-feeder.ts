import type { Database } from './database/database.js';
import { listUnqueued, markQueued } from './database/tasks.js';
import type { JobQueues } from './queues/job-queues.js';

const BATCH = 200;
const AGAIN_MS = 5_000;

/** Queues the jobs of photos, and does so later where the queue is out of reach: a photo is never forgotten. */
export class JobFeeder {
  readonly #database: Database;
  readonly #queues: JobQueues;
  #timer: NodeJS.Timeout | undefined;
  #feeding: Promise<void> | undefined;
  #isAskedAgain = false;

  constructor(database: Database, queues: JobQueues) {
    this.#database = database;
    this.#queues = queues;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.feed(), AGAIN_MS);
    void this.feed();
  }

  /** Queues what isn't yet; never rejects. */
  feed(): Promise<void> {
    this.#isAskedAgain = true;
    this.#feeding ??= this.#feedAll()
      // The queue or the database is away: the timer tries again.
      .catch(() => undefined)
      .finally(() => (this.#feeding = undefined));
    return this.#feeding;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#feeding;
  }

  async #feedAll(): Promise<void> {
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      for (;;) {
        const photos = await listUnqueued(this.#database, BATCH);
        if (photos.length === 0) break;
        const jobs = photos.map(({ id, user_id, file, tasks }) => ({
          photo_id: id,
          user_id,
          path: `./uploads/original/${file}`,
          tasks,
        }));
        // Queued before it is noted: a job that runs twice does no harm, one that is lost does.
        await this.#queues.push('photos', jobs);
        await markQueued(
          this.#database,
          photos.map(({ id }) => id),
        );
      }
    }
  }
}
