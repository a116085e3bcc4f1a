// The least that a Redis queue which loses nothing can do: LMOVE a handful of elements into a list of one's own, then LREM
// each, in one pipeline per step. fork(queue-floor.js, [url, queue, handful]); tells its parent as queue-runner.js does.
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
while (!isOver) {
  const claim = redis.pipeline();
  for (let i = 0; i < Number(handful); i++) claim.lmove(queue, own, 'RIGHT', 'LEFT');
  const elements = (await claim.exec()).map(([, element]) => element).filter((element) => element !== null);
  if (elements.length === 0) {
    if (done > 0) tell();
    await sleep(5);
    continue;
  }
  const acknowledge = redis.pipeline();
  for (const element of elements) acknowledge.lrem(own, -1, element);
  await acknowledge.exec();
  done += elements.length;
  if (performance.now() - toldAt >= TELL_EVERY_MS) tell();
}
await redis.quit();
process.disconnect();
