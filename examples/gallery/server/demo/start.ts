import { randomBytes } from 'node:crypto';
import { createRunner, httpSink, type Runner } from 'clip-runner';
import type { Database } from '../database/database.js';
import { openGallery, type Gallery } from '../gallery.js';
import { openDatabase } from '../open-database.js';
import { settingsFromEnvironment } from '../settings.js';
import { openQueues } from '../open-queues.js';
import { translate } from './glossary.js';
import { fillGallery, type FillOutcome } from './fill.js';

export interface DemoOptions {
  /** For uploads; the demo's database is in memory. */
  readonly folder: string;
  /** Folder of photos. */
  readonly photos: string;
  /** Folders of the models. */
  readonly model: string;
  readonly faces: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A gallery with a runner. */
export interface Demo {
  readonly url: string;
  /** Signs whoever opens it in as the demo's user. */
  readonly pageUrl: string;
  readonly token: string;
  readonly queueKind: string;
  readonly runner: Runner;
  /** Uploads the photos, and waits until each has come to an end. */
  fill(signal: AbortSignal): Promise<FillOutcome>;
  stop(): Promise<void>;
}

const USER = 'demo';
const LABEL = 'demo';
/** What the demo's models make. */
const EMBEDDING_DIM = 128;
const FACE_DIM = 512;
/** Other users of the same Redis are left alone. */
const QUEUE = 'clip_runner_demo';

/** Starts the gallery, and then the runner: the page is there before the models are loaded. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { env, folder } = options;
  const internalToken = randomBytes(32).toString('base64url');
  const database = await openDatabase(env['DATABASE_URL']);
  const { queues, claimed } = openQueues(env['REDIS_URL'], { photos: QUEUE, texts: `${QUEUE}_texts` });
  const gallery = await openGallery(database, queues, {
    ...settingsFromEnvironment(env),
    folder,
    internalToken,
    secret: randomBytes(32).toString('base64url'),
    port: options.port,
    model: LABEL,
    embeddingDim: EMBEDDING_DIM,
    faceModel: LABEL,
    faceDim: FACE_DIM,
    embedUrl: undefined,
    translate,
  });
  const token = await freshUser(database, gallery);
  const runner = createRunner({
    queue: claimed,
    sink: httpSink({ baseUrl: gallery.url, token: internalToken }),
    models: [{ label: LABEL, name: options.model }],
    tasks: ['clip', 'face', 'text'],
    faceModel: options.faces,
    faceLabel: LABEL,
    roots: [gallery.root],
  });
  gallery.follow(runner);
  const started = runner.start();
  // Whoever waits for the photos sees it fail.
  started.catch(() => undefined);
  return {
    url: gallery.url,
    pageUrl: `${gallery.url}/#token=${token}`,
    token,
    queueKind: queues.kind,
    runner,
    fill: async (signal) => {
      const outcome = await fillGallery({ url: gallery.url, token, photos: options.photos, started, signal });
      await gallery.settlePeople();
      return outcome;
    },
    stop: async () => {
      await started.catch(() => undefined);
      await runner.stop();
      await gallery.close();
      await removeUser(database);
      await queues.close();
      await database.close();
    },
  };
}

/** A demo that was killed may have left its user in the database of `DATABASE_URL`. */
async function freshUser(database: Database, gallery: Gallery): Promise<string> {
  await removeUser(database);
  return gallery.tokenFor(USER);
}

async function removeUser(database: Database): Promise<void> {
  await database.query('DELETE FROM users WHERE name = $1', [USER]);
}
