// `npm run soak`: see docs/soak.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { queueLeft } from '../support/queue-left.js';
import { makeTargets, Trouble, type Target } from './faults.js';
import { FlakySink } from './flaky-sink.js';
import { Post, SOAK_QUEUE, type RunnerCounts } from './fleet.js';
import { Dice } from './random.js';
import { SoakRedis } from './redis-store.js';
import { isGood, judge, type Verdict } from './verdict.js';
import { noOps, photos, type Workload } from './workload.js';

const QUEUE = 'soak';
/** The most that is pushed at a time. */
const MAX_PORTION = 4000;
/** Longer than a heartbeat lasts here, and than a runner takes to start again. */
const TIDY_MS = 6000;
const TICK_MS = 200;
/** Without any progress for so long after the last fault, something is stuck. */
const STALLED_MS = 60_000;

const root = process.cwd();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string' },
    runners: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    'fault-every-ms': { type: 'string', default: '1500' },
    'fail-share': { type: 'string', default: '0.05' },
    report: { type: 'string' },
  },
});
const kind = positionals[0] ?? 'no-ops';
const seed = Number(values.seed);
const images = path.join(root, 'test', 'fixtures', 'images');
const workload = makeWorkload();
/** So that pushes, and with them the trouble, go on until shortly before the end. */
const portion = Math.min(MAX_PORTION, Math.ceil(workload.jobs / 25));
const report = values.report ?? path.join(root, 'bench', 'results', `soak-${workload.name}.json`);
const replay = `npm run soak -- ${workload.name} --jobs ${workload.jobs} --seed ${seed}`;
console.log(`seed ${seed}; again with: ${replay}`);

const startedAt = performance.now();
const redis = await SoakRedis.start();
const sink = new FlakySink(workload, new Dice(seed + 1), Number(values['fail-share']));
await sink.listen();
const targets = await makeTargets(Number(values.runners), redis.server.port, makePost);
const trouble = new Trouble(new Dice(seed), targets, redis);
// Runners whose parent is gone end by themselves; those that sleep can't.
process.on('exit', () => targets.forEach(({ post }) => void post.kill()));

let pushed = 0;
await push();
await Promise.all(targets.map(({ post }) => post.start()));
const isDrained = await work();
await Promise.all(targets.map(({ post }) => post.stop()));
const verdict = await judge(redis.client, QUEUE, workload, sink);
finish(verdict, targets);
for (const { proxy } of targets) await proxy.stop();
await sink.close();
await redis.server.stop();

function makeWorkload(): Workload {
  if (kind === 'photos') return photos(Number(values.jobs ?? 3000), images);
  if (kind === 'no-ops') return noOps(Number(values.jobs ?? 200_000));
  console.error('usage: npm run soak -- [no-ops|photos] [--jobs N] [--seed N] [--runners N] [--fault-every-ms N]');
  process.exit(2);
}

function makePost(name: string, redisUrl: string): Post {
  return new Post(name, root, {
    workload: workload.name,
    redisUrl,
    queueName: QUEUE,
    sinkUrl: sink.url,
    queue: SOAK_QUEUE,
    model: path.join(root, 'test', 'fixtures', 'models', 'clip-tiny'),
    photos: images,
  });
}

/** Pushes the next portion, so that the queue never runs dry before its time. */
async function push(): Promise<void> {
  if (pushed === workload.jobs) return;
  const upTo = Math.min(workload.jobs, pushed + portion);
  const elements = Array.from({ length: upTo - pushed }, (_, index) => workload.elements(pushed + 1 + index)).flat();
  if (await redis.push(QUEUE, elements)) pushed = upTo;
}

/** Pushes, makes trouble and looks on until everything is done; false where nothing moves any more. */
async function work(): Promise<boolean> {
  let nextFaultAt = performance.now();
  let changedAt = performance.now();
  let tidyAt: number | undefined;
  let last = '';
  for (let tick = 0; ; tick += 1) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const now = performance.now();
    if (pushed < workload.jobs && now >= nextFaultAt) {
      trouble.next();
      nextFaultAt = now + Number(values['fault-every-ms']);
    }
    if (pushed === workload.jobs) await trouble.over();
    const left = await queueLeft(redis.client, QUEUE);
    if ((left[QUEUE] ?? 0) < portion) await push();
    const isEmpty = Object.keys(left).length === 0;
    // A runner that was killed is struck off by another one when its heartbeat has run out: that one must still be there.
    const isTidy = await hasSettled(isEmpty);
    if (!isTidy) tidyAt = undefined;
    else if (now - (tidyAt ??= now) >= TIDY_MS) return true;
    const state = JSON.stringify(left);
    if (state !== last) changedAt = now;
    last = state;
    if (now - changedAt > STALLED_MS) return false;
    if (tick % 25 === 0) progress(left);
  }
}

/** Nothing is left of all the jobs, and nobody is registered but those who run. */
async function hasSettled(isEmpty: boolean): Promise<boolean> {
  if (pushed < workload.jobs || !isEmpty) return false;
  return (await redis.client.scard(`runner:{${QUEUE}}:consumers`)) === Number(values.runners);
}

function progress(left: Readonly<Record<string, number>>): void {
  const seconds = (performance.now() - startedAt) / 1000;
  const called = sink.taken.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const faults = Object.values(trouble.counts).reduce((sum, count) => sum + count, 0);
  const waiting = left[QUEUE] ?? 0;
  const elsewhere = Object.values(left).reduce((sum, count) => sum + count, -waiting);
  console.log(
    `${seconds.toFixed(0).padStart(4)} s  pushed ${pushed}, called back ${called}, waiting ${waiting}, elsewhere ${elsewhere}, faults ${faults}`,
  );
}

function finish(outcome: Verdict, posts: readonly Target[]): void {
  const seconds = (performance.now() - startedAt) / 1000;
  const badExits = posts.flatMap(({ post }) => post.badExits);
  const ok = isDrained && isGood(outcome) && badExits.length === 0;
  const counts: Record<string, number> = {};
  for (const { post } of posts) add(counts, post.counts());
  const data = {
    ok,
    replay,
    seed,
    workload: workload.name,
    jobs: workload.jobs,
    elements: Array.from({ length: workload.jobs }, (_, index) => workload.elements(index + 1).length).reduce(
      (sum, count) => sum + count,
      0,
    ),
    seconds: Math.round(seconds),
    machine: { cores: os.availableParallelism(), cpu: os.cpus()[0]?.model, node: process.version },
    faults: { ...trouble.counts, restarts: redis.restarts, cutBytes: redis.cutBytes },
    sinkFailures: sink.failures,
    starts: posts.map(({ post }) => post.starts),
    badExits,
    counts,
    isDrained,
    ...outcome,
  };
  mkdirSync(path.dirname(report), { recursive: true });
  writeFileSync(report, `${JSON.stringify(data, null, 2)}\n`);
  console.log(JSON.stringify(data, null, 2));
  if (!ok) for (const { post } of posts) console.log(`${post.name} wrote:\n${post.stderr}`);
  console.log(
    `${ok ? 'good' : 'BAD'}: ${workload.jobs} jobs in ${seconds.toFixed(0)} s, lost ${outcome.lost.length}, unexpected ${outcome.unexpected.length}, ` +
      `left ${JSON.stringify(outcome.left)}; report: ${path.relative(root, report)}`,
  );
  process.exitCode = ok ? 0 : 1;
}

function add(sums: Record<string, number>, counts: RunnerCounts): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}
