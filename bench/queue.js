// npm run bench -- queue: what one Redis carries. createRunner() over redisQueue() with a task that does nothing, in 1, 2 and 3
// processes, beside a bare loop that only moves and removes the same elements; and what a runner without jobs costs.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startWorkers } from './support/queue-workers.js';
import { commandsBetween, lookAtRedis } from './support/redis-load.js';
import { describeMachine, median, printTable, saveJson } from './support/report.js';
import { startBenchRedis } from './support/redis.js';

const root = path.resolve(import.meta.dirname, '..');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_JOBS ?? 10_000);
const maxInFlight = Number(process.env.BENCH_IN_FLIGHT ?? 32);
const idleSeconds = Number(process.env.BENCH_IDLE_SECONDS ?? 30);
const warmUp = Math.ceil(count / 5);
const start = (name, processes, queue) =>
  startWorkers({
    script: path.join('bench', 'support', name),
    args: [server.url, queue, maxInFlight],
    processes,
    root,
  });

const machine = describeMachine(root, ['ioredis', 'piscina']);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
// As the documents advise to run it.
const server = await startBenchRedis({ appendonly: 'yes', appendfsync: 'everysec' });
const redis = new Redis(server.url);
const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
console.log(
  `Redis ${version}, AOF everysec; ${count} jobs a round after ${warmUp} to warm up, ${maxInFlight} in hand per process, ` +
    `${rounds} rounds interleaved\n`,
);

async function measure(name, processes, round) {
  const queue = `bench_${process.pid}_${name.replaceAll('.', '_')}_${processes}_${round}`;
  const workers = await start(name, processes, queue);
  try {
    const ids = Array.from({ length: warmUp + count }, (_, i) => JSON.stringify({ id: String(i + 1) }));
    await redis.lpush(queue, ...ids);
    await workers.until(warmUp);
    const [startedAt, startedMs, before] = [performance.now(), workers.processorMs(), await lookAtRedis(redis)];
    // They tell each 10 ms, so it may be more than asked for.
    const already = workers.done();
    await workers.until(warmUp + count);
    const [endedAt, endedMs, after] = [performance.now(), workers.processorMs(), await lookAtRedis(redis)];
    const seconds = (endedAt - startedAt) / 1000;
    const jobs = warmUp + count - already;
    return {
      rate: jobs / seconds,
      processorMs: (endedMs - startedMs) / jobs,
      busy: (after.seconds - before.seconds) / seconds,
      commands: commandsBetween(before, after).map(([name, calls]) => [name, calls / jobs]),
    };
  } finally {
    await workers.stop();
    await redis.unlink(queue);
  }
}

/** Commands per second of one runner that has nothing to do. */
async function measureIdle() {
  const workers = await start('queue-runner.js', 1, `bench_${process.pid}_idle`);
  await sleep(2000);
  const before = await lookAtRedis(redis);
  await sleep(idleSeconds * 1000);
  const after = await lookAtRedis(redis);
  await workers.stop();
  return { commands: commandsBetween(before, after), busy: (after.seconds - before.seconds) / idleSeconds };
}

const sides = [
  ['floor (LMOVE, LREM), 1 process', 'queue-floor.js', 1],
  ['createRunner, 1 process', 'queue-runner.js', 1],
  ['createRunner, 2 processes', 'queue-runner.js', 2],
  ['createRunner, 3 processes', 'queue-runner.js', 3],
];
const results = sides.map(() => []);
let idle;
try {
  idle = idleSeconds > 0 ? await measureIdle() : undefined;
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, name, processes]] of sides.entries()) {
      results[index].push(await measure(name, processes, round));
    }
  }
} finally {
  await redis.quit();
  await server.stop();
}

const rows = Object.fromEntries(sides.map(([title], i) => [title, results[i].map(({ rate }) => rate)]));
printTable(rows, 'jobs/s');
const width = Math.max(...sides.map(([title]) => title.length));
console.log(`\n${''.padEnd(width)}  clients' processor, ms per job  Redis' processor, ms per job  commands per job`);
for (const [i, [title]] of sides.entries()) {
  const runs = results[i];
  const perJob = (ofRun) => median(runs.map(ofRun)).toFixed(3);
  const client = perJob(({ processorMs }) => processorMs);
  const ofRedis = perJob(({ rate, busy }) => (busy / rate) * 1000);
  const [{ commands }] = runs;
  const all = median(runs.map((run) => run.commands.reduce((sum, [, calls]) => sum + calls, 0)));
  const named = commands.filter(([, calls]) => calls >= 0.005).map(([name, calls]) => `${name} ${calls.toFixed(2)}`);
  const cells = [client.padStart(30), ofRedis.padStart(28), `${all.toFixed(2)} (${named.join(', ')})`];
  console.log(`${title.padEnd(width)}  ${cells.join('  ')}`);
}
if (idle) {
  const perMinute = idle.commands.map(([name, calls]) => `${name} ${Math.round((calls / idleSeconds) * 60)}`);
  const total = idle.commands.reduce((sum, [, calls]) => sum + calls, 0) / idleSeconds;
  console.log(
    `\nA runner without jobs: ${total.toFixed(2)} commands/s (a minute: ${perMinute.join(', ')}), ` +
      `${(idle.busy * 100).toFixed(2)} % of a core of Redis`,
  );
}
saveJson(root, 'queue', { machine, version, count, warmUp, maxInFlight, rounds, rows, results, idle });
