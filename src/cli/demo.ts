import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Redis } from 'ioredis';
import { RunnerError } from '../errors.js';
import { memoryQueue } from '../queue/memory.js';
import type { Queue } from '../queue/queue.js';
import { redisQueue } from '../queue/redis.js';
import { createRunner, type Runner } from '../runner.js';
import { httpSink } from '../sink/http.js';
import { DemoReceiver } from './demo-receiver.js';

export interface DemoOptions {
  /** Folder of photos. */
  readonly photos: string;
  /** Folder of a CLIP model. */
  readonly model: string;
  /** End after the table instead of asking for more photos. */
  readonly exit: boolean;
  /** Use this Redis instead of the embedded queue. */
  readonly redisUrl: string | undefined;
}

const TOKEN = 'demo-token';
const GIVE_UP_MS = 120_000;
const CONNECT_MS = 5_000;

/**
 * `clip-runner demo`: the whole way of a photo on embedded parts: jobs in a queue, threads, a real model, callbacks over
 * HTTP, and from what arrived there, each photo's nearest neighbours. Answers the exit code.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const files = (await readdir(options.photos)).filter((name) => /\.(jpe?g|png|webp|gif|avif)$/i.test(name)).sort();
  if (files.length < 2)
    throw new RunnerError(
      'OPTIONS_INVALID',
      `Expected at least two photos in ${options.photos}, but found ${files.length}.`,
    );

  const receiver = await DemoReceiver.open(TOKEN);
  const { queue, push } = openQueue(options.redisUrl);
  const runner = createRunner({
    queue,
    sink: httpSink({ baseUrl: receiver.url, token: TOKEN }),
    models: [{ label: 'demo', name: options.model }],
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
    print('2. the model is loaded and tested in a worker thread');
    await runner.start();
    const startedAt = performance.now();
    print('3. photos are read, decoded and embedded in batches; each embedding is posted to the receiver\n');
    const givenUp = AbortSignal.any([buried.signal, AbortSignal.timeout(GIVE_UP_MS)]);
    await receiver.whenReceived(files.length, givenUp);
    printTable(files, receiver, startedAt);
    printSummary(runner, receiver, performance.now() - startedAt);
    const isComplete = receiver.received.size === files.length;
    if (!options.exit && isComplete) await askForPhotos(runner, files, receiver);
    return isComplete ? 0 : 1;
  } finally {
    await runner.stop();
    await receiver.close();
  }
}

function openQueue(redisUrl: string | undefined): {
  queue: Queue;
  push: (elements: readonly string[]) => Promise<void>;
} {
  if (redisUrl === undefined) {
    const queue = memoryQueue();
    const push = (elements: readonly string[]): Promise<void> => {
      queue.push(...elements);
      return Promise.resolve();
    };
    return { queue, push };
  }
  const name = 'clip_runner_demo';
  const push = async (elements: readonly string[]): Promise<void> => {
    // One attempt: a demo that waits for a Redis to come up would look like one that hangs.
    const redis = new Redis(redisUrl, { retryStrategy: () => null, connectTimeout: CONNECT_MS, lazyConnect: true });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      await redis.lpush(name, ...elements);
    } catch (cause) {
      const message = 'No Redis took the jobs of the demo at REDIS_URL; check it, or unset it for the embedded queue.';
      throw new RunnerError('QUEUE_UNAVAILABLE', message, { cause });
    } finally {
      if (redis.status !== 'end') redis.disconnect();
    }
  };
  return { queue: redisQueue({ url: redisUrl, name }), push };
}

function printTable(files: readonly string[], receiver: DemoReceiver, startedAt: number): void {
  const width = Math.max(...files.map((file) => file.length));
  print(`${'photo'.padEnd(width)}  callback after  nearest neighbours (cosine)`);
  files.forEach((file, index) => {
    const own = receiver.received.get(String(index + 1));
    if (own === undefined) {
      print(`${file.padEnd(width)}  none`);
      return;
    }
    const afterMs = `${Math.round(own.receivedAt - startedAt)} ms`;
    const near = nearest(own.embedding, files, receiver, file);
    print(`${file.padEnd(width)}  ${afterMs.padStart(14)}  ${near}`);
  });
}

function printSummary(runner: Runner, receiver: DemoReceiver, ms: number): void {
  const { jobs, batches, models } = runner.stats();
  const [model] = models;
  print(
    `\n${receiver.received.size} callbacks for ${jobs.claimed} photos in ${Math.round(ms)} ms: ${batches.count} batches of ` +
      `${batches.meanItems.toFixed(1)} photos on ${model?.device ?? 'cpu'}, ${model?.dimension ?? 0} numbers an embedding.`,
  );
}

function nearest(
  embedding: readonly number[],
  files: readonly string[],
  receiver: DemoReceiver,
  except: string,
): string {
  return [...receiver.received.values()]
    .map((other) => ({ file: files[Number(other.photoId) - 1] ?? '', cosine: dot(embedding, other.embedding) }))
    .filter(({ file }) => file !== except)
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, 3)
    .map(({ file, cosine }) => `${file} ${cosine.toFixed(2)}`)
    .join(', ');
}

/** Direct calls share the threads with the queue: any picture of this machine can be compared. */
async function askForPhotos(runner: Runner, files: readonly string[], receiver: DemoReceiver): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  print('\nType the path of another picture to find its nearest neighbours (an empty line ends).');
  lines.on('SIGINT', () => lines.close());
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() === '') break;
    const [vector] = await runner.embedImages([path.resolve(line.trim())], { onError: 'return' });
    print(
      vector instanceof Float32Array
        ? nearest([...vector], files, receiver, '')
        : (vector?.message ?? 'nothing came back'),
    );
    lines.prompt();
  }
  lines.close();
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
