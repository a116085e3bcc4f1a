import type { Runner } from 'clip-runner';
import { buildApp } from './app.js';
import type { Database } from './database/database.js';
import { prepareDatabase } from './database/schema.js';
import { forgetQueued } from './database/tasks.js';
import { pruneTextQueries } from './database/text-queries.js';
import { ensureUser } from './database/users.js';
import { EventHub } from './event-hub.js';
import { JobFeeder } from './job-feeder.js';
import type { GalleryParts } from './parts.js';
import { PeopleKeeper } from './people-keeper.js';
import { PhotoFiles } from './photo-files.js';
import { PhotoNews } from './photo-news.js';
import { QueueWatch } from './queue-watch.js';
import type { JobQueues } from './queues/job-queues.js';
import { Sessions } from './sessions.js';
import { resolveSettings, type GallerySettings, type NeededSettings } from './settings.js';
import { TextAnswers } from './text-answers.js';

const PRUNE_MS = 3600_000;
const CLOSE_MS = 5_000;

/** A gallery that is running. */
export interface Gallery {
  readonly url: string;
  /** The folder that the paths of jobs are relative to. */
  readonly root: string;
  /** The token of a user, who is made where there is none of this name. */
  tokenFor(name: string): Promise<string>;
  /** Lets the page show which photos a runner of this process has in hand. */
  follow(runner: Runner): void;
  /** Resolves when the faces that have come are grouped. */
  settlePeople(): Promise<void>;
  /** Ends requests and closes what belongs to the gallery; database and queues are its opener's. */
  close(): Promise<void>;
}

/** Starts a gallery over a database and queues. */
export async function openGallery(
  database: Database,
  queues: JobQueues,
  given: NeededSettings & Partial<GallerySettings>,
): Promise<Gallery> {
  const settings = resolveSettings(given);
  await prepareDatabase(database, { embedding: settings.embeddingDim, face: settings.faceDim });
  if (queues.isInMemory) await forgetQueued(database);
  const parts = await makeParts(database, queues, settings);
  const { feeder, watch, people, texts, news, sessions, files } = parts;
  const app = await buildApp(parts);
  const prune = setInterval(() => void pruneTextQueries(database).catch(() => undefined), PRUNE_MS);
  await pruneTextQueries(database);
  const url = await app.listen({ host: settings.host, port: settings.port });
  feeder.start();
  watch.start();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    clearInterval(prune);
    texts.close();
    // Requests that are under way come to their end; clients that don't let them are cut off.
    const cutOff = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
    await app.close();
    clearTimeout(cutOff);
    await Promise.all([feeder.stop(), watch.stop(), people.settle()]);
  };
  return {
    url,
    root: files.root,
    tokenFor: async (name) => sessions.tokenFor(await ensureUser(database, name)),
    follow: (runner) => follow(runner, queues.names.photos, news),
    settlePeople: () => people.settle(),
    close: () => (closed ??= close()),
  };
}

async function makeParts(database: Database, queues: JobQueues, settings: GallerySettings): Promise<GalleryParts> {
  const hub = new EventHub();
  const news = new PhotoNews(database, hub);
  return {
    settings,
    database,
    queues,
    hub,
    news,
    files: await PhotoFiles.open(settings.folder),
    sessions: new Sessions(settings.secret, database),
    watch: new QueueWatch({ database, queues, hub, onFailed: (photoId) => news.tell(photoId) }),
    feeder: new JobFeeder(database, queues),
    people: new PeopleKeeper({ database, hub, model: settings.faceModel }),
    texts: new TextAnswers(),
  };
}

function follow(runner: Runner, photoQueue: string, news: PhotoNews): void {
  const note = (isRunning: boolean) => (event: { readonly queue: string; readonly jobId: string }) => {
    if (event.queue === photoQueue && event.jobId !== '') news.setRunning(Number(event.jobId), isRunning);
  };
  runner.on('job:claimed', note(true));
  for (const event of ['job:done', 'job:retried', 'job:buried'] as const) runner.on(event, note(false));
}
