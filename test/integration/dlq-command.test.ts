import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Redis } from 'ioredis';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { deadLetter } from '../../src/queue/dead-letter.js';
import { type Ending, plainEnvironment, Program } from '../support/program.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const PASSWORD = 'a-password-that-nobody-may-see';
const hasScript = spawnSync('script', ['--version']).status === 0;

let server: RedisServer;
let client: Redis;
let output = '';

beforeAll(async () => {
  server = await startRedis();
  client = server.client();
  await client.call('ACL', 'SETUSER', 'tool', 'on', `>${PASSWORD}`, '~*', '+@all');
  return () => server.stop();
});
afterEach(async () => {
  expect(output).not.toContain(PASSWORD);
  output = '';
  await client.flushall();
});

const environment = (): Record<string, string> =>
  plainEnvironment({ REDIS_URL: `redis://tool:${PASSWORD}@127.0.0.1:${server.port}/0` });

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  return new Program(process.execPath, [CLI, 'dlq', ...args], { env: { ...environment(), ...env } });
}

async function dlq(...args: readonly string[]): Promise<Ending> {
  const ending = await start(args).end();
  output += ending.stdout + ending.stderr;
  return ending;
}

/** Runs it on a terminal, and gives it this answer once it asks. */
async function onTerminal(args: string, answer?: string): Promise<Ending> {
  const command = `'${process.execPath}' '${CLI}' dlq ${args}`;
  const program = new Program('script', ['-qec', command, '/dev/null'], { env: environment(), stdin: 'pipe' });
  if (answer !== undefined) {
    await program.prints(/\[y\/N\]/);
    program.child.stdin!.write(`${answer}\n`);
  }
  const ending = await program.end();
  output += ending.stdout;
  return ending;
}

let count = 0;
async function die(raw: string | Buffer, reason = 'decode', list = 'photo_tasks'): Promise<string> {
  count += 1;
  const id = `01JD3Q6Z7W${String(count).padStart(16, '0')}`;
  const error = new RunnerError('IMAGE_DECODE', 'The JPEG is broken.');
  const failedAtMs = Date.UTC(2026, 0, count);
  const facts = {
    id,
    queue: list,
    reason,
    error,
    attempts: 1,
    kills: 0,
    firstFailedAtMs: failedAtMs,
    failedAtMs,
    by: 'h',
  };
  await client.lpush(`${list}_dlq`, deadLetter(Buffer.from(raw as string), facts, 65_536).entry);
  return id;
}

const lengths = async (...lists: readonly string[]): Promise<readonly number[]> =>
  Promise.all(lists.map((list) => client.llen(list)));

describe('clip-runner dlq list', () => {
  it('prints a table of the newest, and counts by reason', async () => {
    const first = await die('{"photo_id":1}', 'http_404');
    const second = await die('{"photo_id":2}');
    await client.lpush('photo_tasks_dlq', '{"photo_id":3}');
    const { ended, stdout, stderr } = await dlq('list', '--limit', '2');
    expect([ended, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain(first);
    expect(stdout).toMatch(
      new RegExp(
        `^id +died +job +reason +attempts +message\n${second} +2026-.*Z  photo 2  decode +1  +IMAGE_DECODE: The JPEG is broken\\.\n`,
      ),
    );
    expect(stdout).toMatch(/\n[0-9a-f]{40} +- +photo 3 +unknown +- +-\n/);
    expect(stdout).toMatch(
      /\n3 dead letters in photo_tasks_dlq, 2 of them shown:\ncount  reason\n1      decode\n1      http_404\n1      unknown\n$/,
    );
  });

  it('prints a line of JSON for each, the oldest first, of the list of texts too', async () => {
    const id = await die('{"type":"text_embed","request_id":"9","query":"secret words"}', 'exhausted', 'text_tasks');
    await die('{"photo_id":1}');
    const { stdout } = await dlq('list', '--texts', '--json');
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([
      { id, reason: 'exhausted', requestId: '9', photoId: null, attempts: 1, error: { code: 'IMAGE_DECODE' } },
    ]);
    expect(stdout).not.toContain('secret words');
    expect((await dlq('list', '--queue', 'other', '--dlq', 'text_tasks_dlq', '--json')).stdout).toBe(stdout);
  });

  it('escapes what would move the cursor', async () => {
    await client.lpush(
      'photo_tasks_dlq',
      JSON.stringify({ photo_id: '\u001b[2J\u202e', _runner: { id: '\u0007', reason: '\u009b1m' } }),
    );
    for (const args of [['list'], ['list', '--json'], ['show', '\u0007'], ['show', '\u0007', '--json']]) {
      const { ended, stdout } = await dlq(...args);
      expect(ended).toBe(0);
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });

  it('ends quietly when nobody reads any more', async () => {
    for (let photo = 0; photo < 3000; photo += 1) await client.lpush('photo_tasks_dlq', `{"photo_id":${photo}}`);
    const command = `'${process.execPath}' '${CLI}' dlq list --json | head -n 1; exit \${PIPESTATUS[0]}`;
    const { ended, stderr } = await new Program('bash', ['-c', command], { env: environment() }).end();
    expect([ended, stderr]).toEqual([0, '']);
  });

  it.each([
    [['list', '--limit', '0'], '--limit must be a whole number'],
    [['list', '--since', 'yesterday'], '--since must be a time'],
    [['list', '--older-than', '3 days'], '--older-than must be a duration'],
    [['list', '--until', '2026-01-01', '--older-than', '1d'], 'exclude each other'],
    [['redrive', '--rate', '0', '--reason', 'x'], '--rate must be a number'],
    [['redrive'], 'There is no terminal to ask on: say --yes to redrive'],
    [['purge', '--yes'], 'dlq purge needs a filter'],
    [['purge', '--reason', 'decode'], 'There is no terminal to ask on: say --yes to purge'],
    [['purge', '--all', '--reason', 'decode', '--yes'], '--all and a filter exclude each other'],
    [['show'], 'missing required argument'],
  ] as const)('refuses %j with exit code 2', async (args, message) => {
    const { ended, stderr, stdout } = await dlq(...args);
    expect([ended, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('says within seconds that Redis is away, without the password', async () => {
    const env = { REDIS_URL: `redis://tool:${PASSWORD}@127.0.0.1:1/0` };
    const ending = await start(['list'], env).end();
    output += ending.stdout + ending.stderr;
    expect(ending.ended).toBe(1);
    expect(ending.stderr).toContain('Redis at 127.0.0.1:1/0 is out of reach');
  });
});

describe('clip-runner dlq show', () => {
  it('prints note and element, and the element alone with --raw', async () => {
    const id = await die(Buffer.from([0x7b, 0xff, 0x00]));
    const shown = await dlq('show', id);
    expect(shown.ended).toBe(0);
    expect(shown.stdout).toContain('"code": "IMAGE_DECODE"');
    expect(shown.stdout).toMatch(/element, as Base64:\ne\/8A\n$/);
    expect(JSON.parse((await dlq('show', id, '--json')).stdout)).toMatchObject({
      id,
      elementBase64: 'e/8A',
      note: { v: 1 },
    });
    const { stdout } = spawnSync(process.execPath, [CLI, 'dlq', 'show', id, '--raw'], { env: environment() });
    expect([...stdout]).toEqual([0x7b, 0xff, 0x00]);
  });

  it('exits with 1 where there is none with that id', async () => {
    const { ended, stdout, stderr } = await dlq('show', 'nobody');
    expect([ended, stdout]).toEqual([1, '']);
    expect(stderr).toContain('there is no dead letter "nobody" in photo_tasks_dlq');
  });
});

describe('clip-runner dlq redrive and purge', () => {
  it('only says what it would do with --dry-run', async () => {
    await die('{"photo_id":1}');
    await die('{"photo_id":2}', 'http_404');
    expect((await dlq('redrive', '--dry-run')).stdout).toBe(
      '2 dead letters would be put back into photo_tasks\ncount  reason\n1      decode\n1      http_404\n',
    );
    expect(JSON.parse((await dlq('purge', '--reason', 'decode', '--dry-run', '--json')).stdout)).toEqual({
      dryRun: true,
      count: 1,
      reasons: { decode: 1 },
    });
    expect(await lengths('photo_tasks', 'photo_tasks_dlq')).toEqual([0, 2]);
  });

  it('puts back what matches without a question, and everything with --yes; a second time nothing', async () => {
    await die('{ "photo_id": 1 }');
    await die('{"photo_id":2}', 'http_404');
    expect(await dlq('redrive', '--photo', '1')).toMatchObject({
      ended: 0,
      stdout: '1 dead letter put back into photo_tasks\n',
      stderr: '',
    });
    expect(JSON.parse((await dlq('redrive', '--yes', '--json')).stdout)).toEqual({ redriven: 1 });
    expect((await dlq('redrive', '--yes')).stdout).toBe('0 dead letters put back into photo_tasks\n');
    expect(await client.lrange('photo_tasks', 0, -1)).toEqual(['{"photo_id":2}', '{ "photo_id": 1 }']);
  });

  it('removes what matches', async () => {
    await die('{"photo_id":1}');
    const kept = await die('{"photo_id":2}', 'http_404');
    const { stdout } = await dlq('purge', '--reason', 'decode', '--yes');
    expect(stdout).toBe('1 dead letter removed from photo_tasks_dlq\n');
    expect((await dlq('list', '--json')).stdout).toContain(kept);
    expect(await lengths('photo_tasks', 'photo_tasks_dlq')).toEqual([0, 1]);
  });

  it.skipIf(!hasScript).each([
    ['redrive', 'y', 'Put 2 dead letters of photo_tasks_dlq back into photo_tasks?', [2, 0]],
    ['redrive', 'n', 'Put 2 dead letters', [0, 2]],
    ['purge --all', 'y', 'Remove 2 dead letters from photo_tasks_dlq for good?', [0, 0]],
    ['purge --reason decode', '\u0003', 'Remove 1 dead letter', [0, 2]],
  ] as const)('asks on a terminal: %s, %j', async (args, answer, question, expected) => {
    await die('{"photo_id":1}');
    await die('{"photo_id":2}', 'http_404');
    const { ended, stdout } = await onTerminal(args, answer);
    expect(stdout).toContain(question);
    expect(ended).toBe(answer === 'y' ? 0 : 1);
    expect(await lengths('photo_tasks', 'photo_tasks_dlq')).toEqual(expected);
  });

  it.skipIf(!hasScript)('cuts lines to the width of a terminal', async () => {
    await die('{"photo_id":1}');
    const { stdout } = await onTerminal('list');
    expect(stdout).toMatch(/photo 1 .*…\r\n/);
    // What stands before a "clear to the end of the line" was the progress.
    for (const line of stdout.split('\r\n').map((drawn) => drawn.split('\u001b[K').at(-1)!))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('loses and multiplies nothing when it is killed half-way, and goes on when it is called again', async () => {
    const total = 4000;
    for (let photo = 0; photo < total; photo += 1)
      await die(`{"photo_id":${photo}}`, photo % 2 === 0 ? 'decode' : 'io');
    for (const rate of ['500', '1000', '20000']) {
      const before = await client.llen('photo_tasks');
      const program = start(['redrive', '--reason', 'decode', '--rate', rate]);
      await expect.poll(() => client.llen('photo_tasks'), { timeout: 60_000, interval: 5 }).toBeGreaterThan(before);
      program.child.kill('SIGKILL');
      await program.end();
      const [queue = 0, dead = 0] = await lengths('photo_tasks', 'photo_tasks_dlq');
      expect(queue + dead).toBe(total);
    }
    expect((await dlq('redrive', '--reason', 'decode')).ended).toBe(0);
    const photos = (await client.lrange('photo_tasks', 0, -1)).map(
      (text) => (JSON.parse(text) as { photo_id: number }).photo_id,
    );
    expect(photos.sort((a, b) => a - b)).toEqual(Array.from({ length: total / 2 }, (_, index) => 2 * index));
    expect(await client.llen('photo_tasks_dlq')).toBe(total / 2);
  });

  it('stops by a signal, says how far it came, and exits with 1', async () => {
    for (let photo = 0; photo < 200; photo += 1) await die(`{"photo_id":${photo}}`);
    const program = start(['redrive', '--reason', 'decode', '--rate', '20']);
    await expect.poll(() => client.llen('photo_tasks'), { timeout: 60_000 }).toBeGreaterThan(0);
    program.child.kill('SIGINT');
    const { ended, stdout, stderr } = await program.end();
    const [queue = 0, dead = 0] = await lengths('photo_tasks', 'photo_tasks_dlq');
    expect(ended).toBe(1);
    expect(stdout).toBe(`${queue} dead letters put back into photo_tasks\n`);
    expect(stderr).toContain('Stopped by SIGINT');
    expect(queue + dead).toBe(200);
  });
});
