// `node examples/gallery/dist/main.js`: the gallery for one's own photos and models; README.md beside it says how.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRunner, httpSink } from 'clip-runner';
import 'dotenv/config';
import { openGallery } from './gallery.js';
import { openDatabase } from './open-database.js';
import { openQueues } from './open-queues.js';
import { settingsFromEnvironment } from './settings.js';

const { env } = process;
const folder = path.resolve(env['GALLERY_FOLDER'] ?? 'gallery-data');
await mkdir(folder, { recursive: true, mode: 0o700 });

const settings = settingsFromEnvironment(env);
const internalToken = settings.internalToken ?? randomBytes(32).toString('base64url');
const database = await openDatabase(env['DATABASE_URL'], path.join(folder, 'database'));
const { queues, claimed } = openQueues(
  env['REDIS_URL'],
  {
    photos: env['REDIS_QUEUE_NAME'] ?? 'photo_tasks',
    texts: env['TEXT_EMBED_QUEUE_NAME'] ?? 'text_tasks',
  },
  {
    ...(env['REDIS_DLQ_NAME'] && { photos: env['REDIS_DLQ_NAME'] }),
    ...(env['TEXT_EMBED_DLQ_NAME'] && { texts: env['TEXT_EMBED_DLQ_NAME'] }),
  },
);
if (!queues.isInMemory && settings.internalToken === undefined)
  throw new Error('Set PROCESSING_INTERNAL_TOKEN, here and for the runners that answer through Redis.');
// The usual face models are not for every use, so this process looks for faces where some were named only.
const tasks = settings.tasks ?? (queues.isInMemory && !env['FACE_MODEL_NAME'] ? ['clip'] : ['clip', 'face']);
const gallery = await openGallery(database, queues, {
  ...settings,
  tasks,
  folder,
  internalToken,
  secret: await readSecret(),
});
process.stdout.write(`The gallery is at ${gallery.url} (${database.kind}, ${queues.kind}).\n`);
for (const name of (env['GALLERY_USERS'] ?? 'me').split(',').map((user) => user.trim()))
  process.stdout.write(`${name}: ${gallery.url}/#token=${await gallery.tokenFor(name)}\n`);

// Without a Redis no other process can take jobs.
const runner = queues.isInMemory
  ? createRunner({
      queue: claimed,
      sink: httpSink({ baseUrl: gallery.url, token: internalToken }),
      models:
        env['CLIP_MODELS'] ??
        `${settings.model ?? 'clip-ViT-L-14'}=${env['CLIP_MODEL_NAME'] ?? 'openai/clip-vit-large-patch14'}`,
      tasks: [...tasks, 'text'],
      ...(env['FACE_MODEL_NAME'] && { faceModel: env['FACE_MODEL_NAME'] }),
      ...(settings.faceModel !== undefined && { faceLabel: settings.faceModel }),
      roots: [gallery.root],
    })
  : undefined;
if (runner !== undefined) {
  gallery.follow(runner);
  await runner.start();
}

let stopping: Promise<void> | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void (stopping ??= stop()));

async function stop(): Promise<void> {
  await runner?.stop();
  await gallery.close();
  await queues.close();
  await database.close();
}

/** Signs the tokens of users, so it has to stay the same. */
async function readSecret(): Promise<string> {
  if (env['GALLERY_SECRET'] !== undefined && env['GALLERY_SECRET'] !== '') return env['GALLERY_SECRET'];
  const file = path.join(folder, 'secret');
  const fresh = randomBytes(32).toString('base64url');
  await writeFile(file, fresh, { flag: 'wx', mode: 0o600 }).catch(() => undefined);
  return (await readFile(file, 'utf8')).trim();
}
