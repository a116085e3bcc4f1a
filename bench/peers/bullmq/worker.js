// BullMQ's worker with a processor that does nothing, as its documentation sets one up, as a process of its own:
// fork(worker.js, [url, queue, concurrency]); tells its parent as bench/support/queue-runner.js does.
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

/** Telling costs as much as several jobs. */
const TELL_EVERY_MS = 10;
const [url, queue, concurrency] = process.argv.slice(2);
const connection = new Redis(url, { maxRetriesPerRequest: null });
const worker = new Worker(queue, async () => undefined, {
  connection,
  concurrency: Number(concurrency),
  // Nothing stays of a job that is done, as in our queue.
  removeOnComplete: { count: 0 },
});
let done = 0;
let isTelling = false;
const tell = () => {
  isTelling = false;
  const { user, system } = process.cpuUsage();
  process.send({ done, processorMs: (user + system) / 1000 });
  done = 0;
};
worker.on('completed', () => {
  done += 1;
  if (isTelling) return;
  isTelling = true;
  setTimeout(tell, TELL_EVERY_MS);
});
for (const event of ['error', 'failed']) worker.on(event, (...args) => process.send({ failed: String(args.at(-1)) }));
process.once('SIGTERM', async () => {
  await worker.close();
  await connection.quit();
  process.disconnect();
});
await worker.waitUntilReady();
process.send({ ready: true });
