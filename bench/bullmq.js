// npm run bench -- bullmq: jobs per second of createRunner() over redisQueue() and of BullMQ's worker, with a task that does
// nothing, one process each, on the same private Redis; straight, and with 1 ms put between by a TCP proxy. Beside them the
// floor: a bare loop that only moves and removes the same elements. BENCH_ROUNDS (5), BENCH_JOBS (100000), BENCH_IN_FLIGHT
// (default,32,128).
import path from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { startDelayProxy } from './support/delay-proxy.js';
import { startWorkers } from './support/queue-workers.js';
import { commandsBetween, lookAtRedis } from './support/redis-load.js';
import { startBenchRedis } from './support/redis.js';
import { compare, describeMachine, median, printGoals, printTable, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const count = Number(process.env.BENCH_JOBS ?? 100_000);
/** Jobs that a process has in hand: `maxInFlight` here, `concurrency` there. `default`: `createRunner()` decides for itself. */
const inFlights = (process.env.BENCH_IN_FLIGHT ?? 'default,32,128').split(',');
/** What the others have in hand beside that default. */
const BESIDE_DEFAULT = 128;
const warmUp = Math.ceil(count / 5);
const DELAYS_MS = [0, 1];
const CHUNK = 1000;
const [THEIRS, OURS, FLOOR] = ['BullMQ', 'createRunner, redisQueue', 'floor (LMOVE, LREM)'];

// As the documents advise to run it.
const server = await startBenchRedis({ appendonly: 'yes', appendfsync: 'everysec' });
const redis = new Redis(server.url, { maxRetriesPerRequest: null });
const ids = Array.from({ length: warmUp + count }, (_, i) => String(i + 1));
const chunks = Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, i) => ids.slice(i * CHUNK, (i + 1) * CHUNK));
/** Puts the jobs of a round into the queue, and takes away what is left of it. */
const lists = {
  async fill(queue) {
    for (const chunk of chunks) await redis.lpush(queue, ...chunk.map((id) => JSON.stringify({ id })));
  },
  clean: (queue) => redis.unlink(queue),
};
const bullmq = {
  async fill(name) {
    const queue = new Queue(name, { connection: redis });
    for (const chunk of chunks) await queue.addBulk(chunk.map((id) => ({ name: 'idle', data: { id } })));
    await queue.close();
  },
  async clean(name) {
    const queue = new Queue(name, { connection: redis });
    await queue.obliterate({ force: true });
    await queue.close();
  },
};
const sides = {
  [THEIRS]: { ...bullmq, script: 'bench/peers/bullmq/worker.js' },
  [OURS]: { ...lists, script: 'bench/support/queue-runner.js' },
  [FLOOR]: { ...lists, script: 'bench/support/queue-floor.js' },
};

async function measure({ fill, clean, script }, url, queue, inFlight) {
  await fill(queue);
  const workers = await startWorkers({ script, args: [url, queue, inFlight], root });
  try {
    await workers.until(warmUp);
    const [startedAt, startedMs, before] = [performance.now(), workers.processorMs(), await lookAtRedis(redis)];
    const already = workers.done();
    await workers.until(warmUp + count);
    const [endedAt, endedMs, after] = [performance.now(), workers.processorMs(), await lookAtRedis(redis)];
    const seconds = (endedAt - startedAt) / 1000;
    const jobs = warmUp + count - already;
    return {
      rate: jobs / seconds,
      processorMs: (endedMs - startedMs) / jobs,
      redisMs: ((after.seconds - before.seconds) / jobs) * 1000,
      commands: commandsBetween(before, after).map(([name, calls]) => [name, calls / jobs]),
    };
  } finally {
    await workers.stop();
    await clean(queue);
  }
}

const machine = describeMachine(root, ['ioredis', 'bullmq', 'piscina']);
const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.versions.join(', ')}`,
);
console.log(
  `Redis ${version}, AOF everysec; ${count} jobs a round after ${warmUp} to warm up, one process, ${rounds} rounds interleaved`,
);

const cases = DELAYS_MS.flatMap((delayMs) => inFlights.map((inFlight) => ({ delayMs, inFlight })));
const results = [];
try {
  for (const one of cases) results.push({ ...one, measured: await measureAll(one) });
} finally {
  await redis.quit();
  await server.stop();
}
const goals = printGoals(
  results.flatMap(({ delayMs, inFlight, measured }) => {
    const rates = column(measured, 'rate');
    const where = `${delayMs} ms between, ${describeInHand(inFlight)}`;
    return [
      { what: `${where}, jobs/s to BullMQ's`, ...compare(rates[OURS], rates[THEIRS]), atLeast: 2 },
      { what: `${where}, Redis commands a job`, value: commandsAJob(measured[OURS]), atMost: 3 },
    ];
  }),
);
saveJson(root, 'bullmq', { machine, version, count, warmUp, rounds, results, goals });

async function measureAll({ delayMs, inFlight }) {
  const proxy = delayMs > 0 ? await startDelayProxy(Number(new URL(server.url).port), delayMs) : undefined;
  const url = proxy ? `redis://127.0.0.1:${proxy.port}/0` : server.url;
  const measured = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [index, [side, parts]] of Object.entries(sides).entries()) {
        const queue = `bench_${process.pid}_${delayMs}_${inFlight}_${index}_${round}`;
        measured[side].push(await measure(parts, url, queue, inHand(inFlight, side)));
      }
    }
  } finally {
    await proxy?.stop();
  }
  console.log(`\n${delayMs === 0 ? 'Straight' : `Each answer ${delayMs} ms later`}, ${describeInHand(inFlight)}`);
  printTable(column(measured, 'rate'), 'jobs/s');
  for (const [side, runs] of Object.entries(measured)) {
    const [ms, redisMs] = ['processorMs', 'redisMs'].map((name) => median(runs.map((run) => run[name])).toFixed(3));
    console.log(
      `${side}: ${ms} ms of its processor and ${redisMs} ms of Redis' a job; commands a job: ${describe(runs)}`,
    );
  }
  return measured;
}

function inHand(inFlight, side) {
  if (inFlight !== 'default') return Number(inFlight);
  return side === OURS ? 0 : BESIDE_DEFAULT;
}

function describeInHand(inFlight) {
  return inFlight === 'default' ? `in hand as by default, ${BESIDE_DEFAULT} for the others` : `${inFlight} in hand`;
}

function column(measured, name) {
  return Object.fromEntries(Object.entries(measured).map(([side, runs]) => [side, runs.map((run) => run[name])]));
}

/** As INFO commandstats counts them: a script is one, and so is each command that it calls. */
function commandsAJob(runs) {
  return median(runs.map(({ commands }) => commands.reduce((sum, [, calls]) => sum + calls, 0)));
}

function describe(runs) {
  const named = runs[0].commands
    .filter(([, calls]) => calls >= 0.005)
    .map(([name, calls]) => `${name} ${calls.toFixed(2)}`);
  return `${commandsAJob(runs).toFixed(2)} (${named.join(', ')})`;
}
