import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { RunnerError } from '../errors.js';
import { createRunner, type Runner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import { DemoGallery } from './demo-gallery.js';
import { openDemoQueue } from './demo-queue.js';
import { DemoReceiver } from './demo-receiver.js';

export interface DemoOptions {
  /** Folder of photos. */
  readonly photos: string;
  /** Folder of a CLIP model. */
  readonly model: string;
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
 * `clip-runner demo`: the whole way of a photo on embedded parts: jobs in a queue, threads, a real model, callbacks over
 * HTTP, and from what arrived there, the photos that a sentence means. Answers the exit code.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const files = await listPhotos(options.photos);
  const receiver = await DemoReceiver.open(TOKEN);
  const { queue, push } = openDemoQueue(options.redisUrl);
  const runner = createRunner({
    queue,
    sink: httpSink({ baseUrl: receiver.url, token: TOKEN }),
    models: [{ label: 'demo', name: options.model }],
    tasks: ['clip', 'text'],
    roots: [options.photos],
  });
  const buried = new AbortController();
  runner.on('job:buried', ({ jobId, error }) => {
    print(`photo ${jobId} failed: ${error.message}`);
    buried.abort();
  });
  try {
    print(`1. ${files.length} jobs go into ${options.redisUrl === undefined ? 'the embedded queue' : 'Redis'}`);
    await push(
      files.map((file, index) => JSON.stringify({ photo_id: index + 1, user_id: 1, path: file, tasks: ['clip'] })),
    );
    print('2. the model is loaded and tested, its picture side in one worker thread and its text side in another');
    await runner.start();
    const startedAt = performance.now();
    print('3. photos are read, decoded and embedded in batches; each embedding is posted to the receiver\n');
    const givenUp = AbortSignal.any([buried.signal, AbortSignal.timeout(GIVE_UP_MS)]);
    await receiver.whenReceived(files.length, givenUp);
    const tookMs = performance.now() - startedAt;
    const gallery = new DemoGallery(files, receiver.received);
    for (const line of gallery.table(startedAt, MOST_ROWS)) print(line);
    printSummary(runner, receiver, files.length, tookMs);
    if (receiver.received.size < files.length) return 1;
    print('4. sentences find photos: a text is embedded in the same space');
    for (const sentence of options.ask) print(`   "${sentence}" → ${await answer(runner, gallery, sentence)}`);
    if (!options.exit) await askForMore(runner, gallery);
    return 0;
  } finally {
    await runner.stop();
    await receiver.close();
  }
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
  const { batches, models } = runner.stats();
  const [model] = models;
  print(
    `\n${receiver.received.size} callbacks for ${photos} photos in ${Math.round(ms)} ms: ${batches.count} batches of ` +
      `${batches.meanItems.toFixed(1)} photos on ${model?.device ?? 'cpu'}, ${model?.dimension ?? 0} numbers an embedding.\n`,
  );
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
