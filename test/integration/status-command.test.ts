import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Ending, plainEnvironment, Program } from '../support/program.js';
import { makeLab, never, type RedisLab, startLabServer } from '../support/redis-lab.js';
import { until } from '../support/until.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const PASSWORD = 'a-password-that-nobody-may-see';

let base: Awaited<ReturnType<typeof startLabServer>>;
let lab: RedisLab;
let output = '';

beforeAll(async () => {
  base = await startLabServer();
  await base.client.call('ACL', 'SETUSER', 'tool', 'on', `>${PASSWORD}`, '~*', '+@all');
  return () => base.server.stop();
});
beforeEach(() => {
  lab = makeLab(base);
});
afterEach(async () => {
  expect(output).not.toContain(PASSWORD);
  output = '';
  await lab.tidy();
  await lab.client.flushall();
});

const environment = (): Record<string, string> =>
  plainEnvironment({
    REDIS_URL: `redis://tool:${PASSWORD}@127.0.0.1:${base.server.port}/0`,
    REDIS_QUEUE_NAME: lab.name,
  });

async function status(...args: readonly string[]): Promise<Ending> {
  const ending = await new Program(process.execPath, [CLI, 'status', ...args], { env: environment() }).end();
  output += ending.stdout + ending.stderr;
  return ending;
}

interface Document {
  readonly queues: readonly (Record<string, unknown> & { readonly consumers: readonly Record<string, unknown>[] })[];
}
const looks = async (...args: readonly string[]): Promise<Document['queues']> =>
  (JSON.parse((await status('--json', ...args)).stdout) as Document).queues;

describe('clip-runner status', () => {
  it('tells where jobs are, who holds them and since when, and what is done', async () => {
    await lab.push('a', 'b', 'c', 'd', 'e');
    const { queue } = await lab.open();
    const [first] = await queue.claim(1, never);
    await queue.ack([first!]);
    await queue.claim(2, never);
    await lab.leaveBehind('dead-one', 'x');
    await lab.client.zadd(lab.keys.retry, Date.now() + 60_000, 'n|y');
    await lab.client.lpush(lab.keys.deadLetters, '{"_runner":{"failedAt":"2026-01-01T12:00:00.000Z"}}');
    // The reaper of the lab takes what the dead one held after a moment.
    await until('it is a suspect', async () => (await lab.client.llen(lab.keys.suspects)) === 1);
    const [photos, texts] = await looks();
    expect(photos).toMatchObject({
      ...{ queue: lab.name, waiting: 2, inFlight: 2, retry: 1, suspects: 1, dead: 1, waitingPerSecond: 0 },
      oldestDeadAt: '2026-01-01T12:00:00.000Z',
      consumers: [{ isAlive: true, holds: 2, pid: process.pid, done: 1, retried: 0, buried: 0 }],
    });
    expect(photos!['nextWaitsMs']).toBeGreaterThan(900);
    expect(photos!['oldestInHandMs']).toBeGreaterThan(0);
    expect(photos!.consumers[0]!['lastBeatMsAgo']).toBeLessThan(1500);
    expect(Number(photos!['nextRetryAtMs']) - Number(photos!['atMs'])).toBeLessThanOrEqual(60_000);
    expect(texts).toMatchObject({ queue: 'text_tasks', waiting: 0, consumers: [], next: null });
  });

  it('counts what a consumer does', async () => {
    const { queue } = await lab.open();
    await lab.push('a', 'b');
    const claims = [...(await queue.claim(1, never)), ...(await queue.claim(1, never))];
    await queue.ack(claims);
    await expect
      .poll(async () => (await looks('--only', 'photos'))[0]?.consumers[0], { timeout: 60_000 })
      .toMatchObject({ done: 2, oldestMs: null });
    expect(Number((await looks('--only', 'photos'))[0]!['donePerSecond'])).toBeGreaterThan(0);
  });

  it('shows tables for people, dead consumers as expired, and nothing that moves the cursor', async () => {
    await lab.leaveBehind('gone', 'x', 'y');
    await lab.client.sadd(lab.keys.consumers, 'odd');
    await lab.client.set(lab.keys.heartbeat('odd'), '{"host":"\\u001b[2J","pid":"x","rss":1e999}');
    const { ended, stdout } = await status('--only', 'photos');
    expect(ended).toBe(0);
    expect(stdout).toMatch(/ in flight +2 +0 done\/s\n/);
    expect(stdout).toMatch(/ gone +- +- +2 .* expired\n/);
    expect(stdout).toContain('\\u001b[2J:?');
    expect(stdout).not.toContain('\u001b');
  });

  it.each([
    [['--max-waiting', '3'], 0, ''],
    [['--max-waiting', '2'], 3, '3 waiting (--max-waiting 2)'],
    [['--max-dead', '0'], 3, '1 dead (--max-dead 0)'],
    [['--min-consumers', '1', '--only', 'photos'], 3, '0 alive (--min-consumers 1)'],
    [['--max-waiting', '-1'], 2, '--max-waiting must be a whole number'],
    [['--watch', '--max-dead', '1'], 2, 'exclude each other'],
    [['--watch', '0'], 2, '--watch must be a number of seconds'],
    [['--queue', 'x'], 2, 'say --only'],
  ] as const)('%j: exit code %i', async (args, code, message) => {
    await lab.push('a', 'b', 'c');
    await lab.client.lpush(lab.keys.deadLetters, 'x');
    const { ended, stderr } = await status(...args);
    expect(ended).toBe(code);
    expect(stderr).toContain(message);
  });

  it('exits with 1 where a queue is no list, and where Redis is away', async () => {
    await lab.client.set(lab.name, 'x');
    const wrong = await status();
    expect(wrong.ended).toBe(1);
    expect(wrong.stderr).toContain('WRONGTYPE');
    const env = { ...environment(), REDIS_URL: `redis://tool:${PASSWORD}@127.0.0.1:1/0` };
    const away = await new Program(process.execPath, [CLI, 'status'], { env }).end();
    output += away.stderr;
    expect(away.ended).toBe(1);
    expect(away.stderr).toContain('127.0.0.1:1/0 is out of reach');
  });

  it('looks again and again, through an outage, until a signal', async () => {
    const args = [CLI, 'status', '--watch', '0.1', '--json', '--only', 'photos'];
    const program = new Program(process.execPath, args, { env: environment() });
    await program.prints(/"waiting":0.*\n.*"waiting":0/);
    await base.server.kill();
    await program.prints(/"error":\{"code":"QUEUE_UNAVAILABLE"/);
    await base.server.start();
    await base.client.ping();
    await base.client.call('ACL', 'SETUSER', 'tool', 'on', `>${PASSWORD}`, '~*', '+@all');
    await lab.push('a');
    await program.prints(/"waiting":1/);
    program.child.kill('SIGTERM');
    const { ended, stdout, stderr } = await program.end();
    output += stdout;
    expect([ended, stderr]).toEqual([0, '']);
    for (const line of stdout.trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it.skipIf(spawnSync('script', ['--version']).status !== 0)('draws again in place on a terminal', async () => {
    // Without a shell in between, which would die of Ctrl-C, too.
    const command = `exec '${process.execPath}' '${CLI}' status --watch 0.2`;
    const program = new Program('script', ['-qec', command, '/dev/null'], { env: environment(), stdin: 'pipe' });
    await program.prints(/(\u001b\[H\u001b\[2J[^\u001b]*waiting[^\u001b]*){2}/);
    program.child.stdin!.write('\u0003');
    const { ended, stdout } = await program.end();
    output += stdout;
    expect(ended).toBe(0);
  });
});
