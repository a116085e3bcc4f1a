// The least that a Redis queue which loses nothing can do: LREM each of a handful of elements from a list of one's own and LMOVE
// the next handful into it, in one pipeline, so that there is one wait a handful. fork(queue-floor.js, [url, queue, handful]);
// tells its parent as queue-runner.js does.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** Telling costs as much as several jobs. */
const TELL_EVERY_MS = 10;
const [url, queue, handful] = process.argv.slice(2);
const redis = new Redis(url);
let done = 0;
let toldAt = 0;
const tell = () => {
  const { user, system } = process.cpuUsage();
  process.send({ done, processorMs: (user + system) / 1000 });
  done = 0;
  toldAt = performance.now();
};
const own = `${queue}:floor:${process.pid}`;
let isOver = false;
process.once('SIGTERM', () => (isOver = true));
await redis.ping();
process.send({ ready: true });
let held = [];
while (!isOver || held.length > 0) {
  const step = redis.pipeline();
  for (const element of held) step.lrem(own, -1, element);
  if (!isOver) for (let i = 0; i < Number(handful); i++) step.lmove(queue, own, 'RIGHT', 'LEFT');
  const answers = await step.exec();
  done += held.length;
  held = answers
    .slice(held.length)
    .map(([, element]) => element)
    .filter((element) => element !== null);
  if (done > 0 && (held.length === 0 || performance.now() - toldAt >= TELL_EVERY_MS)) tell();
  if (held.length === 0 && !isOver) await sleep(5);
}
await redis.quit();
process.disconnect();
