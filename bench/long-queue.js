// npm run bench -- long-queue: whether a runner minds how long its queue is. createRunner() over redisQueue() with a task that
// does nothing drains a list of a million jobs; so does a bare loop that only moves and removes the elements, which shows what
// Redis and the machine do meanwhile. BENCH_JOBS (1000000), BENCH_ROUNDS (5).
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { measureProcesses } from './support/process-tree.js';
import { startWorkers } from './support/queue-workers.js';
import { startBenchRedis } from './support/redis.js';
import { compare, describeMachine, median, printGoals, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const count = Number(process.env.BENCH_JOBS ?? 1_000_000);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const CHUNK = 10_000;
const PARTS = 10;
/** Until the compiler has seen everything, before the queue is long and once more of the long one, which is that much longer. */
const warmUp = Math.ceil(count / 10);

/** In hand: what `createRunner()` takes by default, and a handful of the bare loop. */
const sides = {
  'createRunner, redisQueue': { script: 'bench/support/queue-runner.js', inFlight: 0 },
  'floor (LMOVE, LREM)': { script: 'bench/support/queue-floor.js', inFlight: 128 },
};

// Without a file: its rewriting would be measured, too.
const server = await startBenchRedis();
const redis = new Redis(server.url);

async function fill(queue, jobs) {
  for (let first = 0; first < jobs; first += CHUNK) {
    const length = Math.min(CHUNK, jobs - first);
    await redis.lpush(queue, ...Array.from({ length }, (_, i) => JSON.stringify({ id: String(first + i + 1) })));
  }
}

/** Memory before the queue is long, and after each tenth of it; jobs per second in each tenth. */
async function drain({ script, inFlight }, queue) {
  const workers = await startWorkers({ script, args: [server.url, queue, inFlight], root });
  const rssMiB = () => measureProcesses(workers.pids[0]).rssMiB;
  try {
    await fill(queue, warmUp);
    await workers.until(warmUp);
    await sleep(1000);
    const short = rssMiB();
    // Together, so that none is taken before all are there.
    await fill(`${queue}_filling`, warmUp + count);
    await redis.rename(`${queue}_filling`, queue);
    await workers.until(2 * warmUp);
    const memory = [short];
    const rates = [];
    for (let part = 1; part <= PARTS; part++) {
      const [startedAt, already] = [performance.now(), workers.done()];
      await workers.until(2 * warmUp + Math.round((count * part) / PARTS));
      rates.push(((workers.done() - already) / (performance.now() - startedAt)) * 1000);
      memory.push(rssMiB());
    }
    return { memory, rates };
  } finally {
    await workers.stop();
  }
}

const machine = describeMachine(root, ['ioredis', 'piscina']);
const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
console.log(
  `Redis ${version}; ${count} jobs that wait at once, after ${warmUp} to warm up in a short list and ${warmUp} in the long one, one process, rounds: ${rounds}`,
);
const results = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
try {
  for (let round = 0; round < rounds; round++) {
    for (const [index, [side, parts]] of Object.entries(sides).entries()) {
      const measured = await drain(parts, `bench_${process.pid}_${index}_${round}`);
      results[side].push(measured);
      print(side, measured);
    }
  }
} finally {
  await redis.quit();
  await server.stop();
}

const [ours, floor] = Object.values(results);
const lastToFirst = (runs) =>
  compare(
    runs.map(({ rates }) => rates.at(-1)),
    runs.map(({ rates }) => rates[0]),
  );
const growth = median(ours.map(({ memory }) => Math.max(...memory.slice(1)) - memory[0]));
console.log(
  `\nThe floor's own last tenth to its first: ${lastToFirst(floor).value.toFixed(3)}. Highest memory of the runner with the long ` +
    `queue over that with a short one: ${growth.toFixed(1)} MiB, for ${count} jobs`,
);
const goals = printGoals([
  { what: 'jobs/s of the last tenth to the first', ...lastToFirst(ours), atLeast: 0.95 },
  { what: 'MiB while the second half is done to MiB while the first is', ...secondToFirst(ours), atMost: 1.1 },
]);
saveJson(root, 'long-queue', { machine, version, count, warmUp, rounds, results, goals });

function secondToFirst(runs) {
  const half = PARTS / 2;
  return compare(
    runs.map(({ memory }) => median(memory.slice(1 + half))),
    runs.map(({ memory }) => median(memory.slice(1, 1 + half))),
  );
}

function print(side, { memory, rates }) {
  console.log(`\n${side}\n  done      jobs/s  MiB resident`);
  console.log(`  warm  ${''.padStart(10)}  ${memory[0].toFixed(1).padStart(12)}`);
  for (const [part, rate] of rates.entries()) {
    const share = `${((part + 1) * 100) / PARTS} %`;
    console.log(`  ${share.padStart(5)} ${rate.toFixed(0).padStart(10)}  ${memory[part + 1].toFixed(1).padStart(12)}`);
  }
}
