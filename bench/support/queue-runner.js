// createRunner() over redisQueue() with a task that does nothing, as a process of its own:
// fork(queue-runner.js, [url, queue, maxInFlight]); tells its parent `ready`, then how many more jobs it has acknowledged,
// and how long processors have worked for it since its start.
import { createRunner, memorySink, redisQueue } from 'clip-runner';
import idleTask, { idleJobs } from './idle-task.js';

/** Telling costs as much as several jobs. */
const TELL_EVERY_MS = 10;
const [url, name, maxInFlight] = process.argv.slice(2);
const runner = createRunner({
  queue: redisQueue({ url, name, jobs: idleJobs }),
  sink: memorySink(),
  tasks: [idleTask],
  maxInFlight: Number(maxInFlight),
});
const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
let told = 0;
let isTelling = false;
const tell = () => {
  isTelling = false;
  const { done } = runner.stats().jobs;
  process.send({ done: done - told, processorMs: processorMs() });
  told = done;
};
runner.on('job:done', () => {
  if (isTelling) return;
  isTelling = true;
  setTimeout(tell, TELL_EVERY_MS);
});
runner.on('job:buried', ({ error }) => process.send({ failed: error.message }));
process.once('SIGTERM', () => runner.stop().then(() => process.disconnect()));
await runner.start();
process.send({ ready: true });
