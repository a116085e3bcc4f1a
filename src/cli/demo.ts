import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { RunnerError } from '../errors.js';
import { createRunner, type Runner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import { makeAlbums } from './demo-albums.js';
import { DemoGallery } from './demo-gallery.js';
import { openDemoQueue } from './demo-queue.js';
import { DemoReceiver } from './demo-receiver.js';

export interface DemoOptions {
  /** Folder of photos. */
  readonly photos: string;
  /** Folder of a CLIP model. */
  readonly model: string;
  /** Folder of a face detector and a recogniser; without it no faces are looked for. */
  readonly faces?: string;
  /** Sentences that are answered at once. */
  readonly ask: readonly string[];
  /** End then, instead of asking for more. */
  readonly exit: boolean;
  /** Use this Redis instead of the embedded queue. */
  readonly redisUrl: string | undefined;
}

const TOKEN = 'demo-token';
const GIVE_UP_MS = 120_000;
/** Rows of the table at most. */
const MOST_ROWS = 12;

/**
 * `clip-runner demo`: the whole way of a photo on embedded parts: jobs in a queue, threads, real models, callbacks over
 * HTTP, and from what arrived there, the photos that a sentence means and the albums of people. Answers the exit code.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const files = await listPhotos(options.photos);
  const receiver = await DemoReceiver.open(TOKEN);
  const { queue, push } = openDemoQueue(options.redisUrl);
  const photoTasks = options.faces === undefined ? ['clip'] : ['clip', 'face'];
  const runner = createRunner({
    queue,
    sink: httpSink({ baseUrl: receiver.url, token: TOKEN }),
    models: [{ label: 'demo', name: options.model }],
    tasks: [...photoTasks, 'text'],
    ...(options.faces === undefined ? {} : { faceModel: options.faces, faceLabel: 'demo' }),
    roots: [options.photos],
  });
  try {
    print(`1. ${files.length} jobs go into ${options.redisUrl === undefined ? 'the embedded queue' : 'Redis'}`);
    await push(
      files.map((file, index) => JSON.stringify({ photo_id: index + 1, user_id: 1, path: file, tasks: photoTasks })),
    );
    const outcome = watchPhotos(runner, files.length);
    print('2. the models are loaded and tested, for pictures in one worker thread and for texts in another');
    await runner.start();
    const startedAt = performance.now();
    print(`3. ${steps(options)}; each result is posted to the receiver\n`);
    const { failed, isWhole } = await outcome;
    const tookMs = performance.now() - startedAt;
    const gallery = new DemoGallery(files, receiver.received);
    for (const line of gallery.table(startedAt, MOST_ROWS)) print(line);
    printSummary(runner, receiver, files.length, tookMs);
    for (const [photoId, reason] of failed) print(`${gallery.fileOf(photoId)} failed: ${reason}`);
    if (failed.size > 0) print(`${failed.size} of ${files.length} photos failed; the others are not harmed.\n`);
    if (!isWhole || receiver.received.size === 0) return 1;
    print('4. sentences find photos: a text is embedded in the same space');
    for (const sentence of options.ask) print(`   "${sentence}" → ${await answer(runner, gallery, sentence)}`);
    if (options.faces !== undefined) await printAlbums(receiver, gallery);
    if (!options.exit) await askForMore(runner, gallery);
    return 0;
  } finally {
    await runner.stop();
    await receiver.close();
  }
}

function steps({ faces }: DemoOptions): string {
  const embedded = 'photos are read, decoded and embedded in batches';
  return faces === undefined ? embedded : `${embedded}, and faces found in the same pixels`;
}

interface Outcome {
  /** What befell the photos that failed, by their ids. */
  readonly failed: ReadonlyMap<string, string>;
  /** Whether each photo came to an end in time. */
  readonly isWhole: boolean;
}

/** Resolves when so many photos are done or have failed, or when it takes too long. */
function watchPhotos(runner: Runner, count: number): Promise<Outcome> {
  const failed = new Map<string, string>();
  let left = count;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ failed, isWhole: false }), GIVE_UP_MS).unref();
    const settle = (): void => {
      left -= 1;
      if (left > 0) return;
      clearTimeout(timer);
      resolve({ failed, isWhole: true });
    };
    runner.on('job:done', settle);
    runner.on('job:buried', ({ jobId, error }) => {
      failed.set(jobId, error.message);
      settle();
    });
  });
}

async function listPhotos(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new RunnerError('OPTIONS_INVALID', `--photos: the folder ${folder} can't be read.`, { cause });
  });
  const files = names.filter((name) => /\.(jpe?g|png|webp|gif|avif)$/i.test(name)).sort();
  if (files.length >= 2) return files;
  throw new RunnerError('OPTIONS_INVALID', `Expected at least two photos in ${folder}, but found ${files.length}.`);
}

function printSummary(runner: Runner, receiver: DemoReceiver, photos: number, ms: number): void {
  const { batches, images, models } = runner.stats();
  const [model] = models;
  print(
    `\n${receiver.received.size + receiver.faces.size} callbacks for ${photos} photos in ${Math.round(ms)} ms: ` +
      `${images.decoded} decodings, ${batches.count} batches of ${batches.meanItems.toFixed(1)} photos on ` +
      `${model?.device ?? 'cpu'}, ${model?.dimension ?? 0} numbers an embedding.\n`,
  );
}

async function printAlbums({ faces }: DemoReceiver, gallery: DemoGallery): Promise<void> {
  const received = [...faces.values()];
  const count = received.reduce((sum, { embeddings }) => sum + embeddings.length, 0);
  const photos = received.filter(({ embeddings }) => embeddings.length > 0).length;
  print(`5. faces become albums of people: ${count} faces in ${photos} photos`);
  for (const { name, photoIds } of await makeAlbums(received)) {
    print(`   ${name} (${photoIds.length}): ${photoIds.map((id) => gallery.fileOf(String(id))).join(', ')}`);
  }
}

/** Direct calls share the threads with the queue: any sentence, and any picture of this machine, can be looked up. */
async function askForMore(runner: Runner, gallery: DemoGallery): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  print(
    '\nType a sentence in English, such as "a fox in the library", or the path of a picture of your own (an empty line ends).',
  );
  lines.on('SIGINT', () => lines.close());
  lines.prompt();
  for await (const line of lines) {
    const question = line.trim();
    if (question === '') break;
    print(await answer(runner, gallery, question));
    lines.prompt();
  }
  lines.close();
}

async function answer(runner: Runner, gallery: DemoGallery, question: string): Promise<string> {
  const [vector] = (await isFile(question))
    ? await runner.embedImages([path.resolve(question)], { onError: 'return' })
    : await runner.embedTexts([question], { onError: 'return' });
  return vector instanceof Float32Array ? gallery.nearest(vector) : (vector?.message ?? 'nothing came back');
}

async function isFile(name: string): Promise<boolean> {
  const facts = await stat(name).catch(() => undefined);
  return facts?.isFile() === true;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
