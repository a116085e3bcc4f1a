// One runner of the soak: node runner.js '<JSON of SoakRunnerSettings>'. Ends in good order at SIGTERM, and when its parent
// is gone.
import { createRunner, httpSink, redisQueue } from 'clip-runner';
import noOp, { noOpJobs } from './noop-task.js';

const { workload, redisUrl, queueName, sinkUrl, model, photos, queue: queueOptions } = JSON.parse(process.argv[2]);
const isNoOp = workload === 'no-ops';

const runner = createRunner({
  queue: redisQueue({ ...queueOptions, url: redisUrl, name: queueName, ...(isNoOp && { jobs: noOpJobs }) }),
  sink: httpSink({ baseUrl: sinkUrl, token: 'soak', concurrency: 16, timeoutMs: 5000 }),
  ...(isNoOp
    ? { tasks: [noOp], maxTextBatch: 32, maxInFlight: 64 }
    : { tasks: ['clip'], models: [{ label: 'tiny', name: model }], roots: [photos], intraOpThreads: 1 }),
});

const counts = { adopted: 0, leasesLost: 0, reaped: 0, promoted: 0, sinkDown: 0, queueDown: 0, retried: 0 };
runner.on('queue:adopted', ({ count }) => (counts.adopted += count));
runner.on('queue:lease-lost', ({ count }) => (counts.leasesLost += count));
runner.on('queue:reaped', ({ count }) => (counts.reaped += count));
runner.on('queue:promoted', ({ count }) => (counts.promoted += count));
runner.on('queue:down', () => (counts.queueDown += 1));
runner.on('sink:down', () => (counts.sinkDown += 1));
runner.on('job:retried', () => (counts.retried += 1));
runner.on('queue:warning', ({ message }) => console.error(message));
runner.on('runner:failed', ({ error }) => console.error(error));

// What a killed runner counted is lost but for the last of these messages.
setInterval(() => process.send?.(counts, undefined, undefined, () => undefined), 250).unref();
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => {
  void runner.stop().then(() => process.exit(0));
});
await runner.start();
process.send?.('ready');
