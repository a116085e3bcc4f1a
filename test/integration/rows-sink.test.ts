import { afterEach, describe, expect, it, beforeAll } from 'vitest';
import { readFileSync } from 'node:fs';
import { createRunner, httpSink, memoryQueue, type RunnerError } from '../../dist/index.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import type { GalleryServer } from '../support/gallery-server.js';
import { inMemory, runJobs, type JobCase, type JobFates } from '../support/job-fates.js';
import {
  startScriptedServer,
  type Reply,
  type ScriptedServer,
  type ServerSettings,
} from '../support/scripted-server.js';
import { until } from '../support/until.js';

/**
 * Rows 89 to 112 of the list of bad inputs, to the end of each job: one server answers each photo in its own way, a good
 * one beside each. What the sink makes of single answers is in sink-http.test.ts.
 */

/** What the server answers to the job's callbacks, one after the other; the last one stays. And how the job ends. */
type Row = readonly [replies: readonly Reply[], fate: string];

const status = (code: number, headers: Readonly<Record<string, string>> = {}): Reply => ({ status: code, headers });
const OK = { status: 200, body: '{"ok":true}' } as const;
const head = 'HTTP/1.1 200 OK\r\n';
const ELSEWHERE = { location: 'http://127.0.0.1:9/elsewhere' };

const ROWS: Readonly<Record<string, Row>> = {
  'row 89: 201': [[status(201)], 'OK'],
  'row 89: 204': [[status(204)], 'OK'],
  'row 89: an empty body': [[{ status: 200, body: '' }], 'OK'],
  'row 89: a huge body': [[{ status: 200, body: Buffer.alloc(4e6) }], 'OK'],
  'row 90: 102 and 103 before a 200': [[{ ...OK, interim: [102, 103] }], 'OK'],
  'row 91: a redirect on the same host': [[status(307, { location: '/elsewhere' })], 'R3 exhausted'],
  'row 92: a redirect to another host': [[status(302, ELSEWHERE)], 'R3 exhausted'],
  'row 93: 400': [[status(400)], 'P http_400'],
  'row 94: 401 once': [[status(401), OK], 'W OK'],
  'row 94: 403 once': [[status(403), OK], 'W OK'],
  'row 95: 404': [[status(404)], 'P http_404'],
  'row 96: 408': [[status(408)], 'R3 exhausted'],
  'row 96: 425, then 200': [[status(425), OK], 'OK'],
  'row 97: 409': [[status(409)], 'P http_409'],
  'row 97: 422': [[status(422)], 'P http_422'],
  'row 98: 413; callbacks go one by one, so there is nothing to split': [[status(413)], 'P http_413'],
  'row 99: 429 with Retry-After: 1': [[status(429, { 'retry-after': '1' }), OK], 'W OK'],
  'row 100: 500': [[status(500)], 'R3 exhausted'],
  'row 100: 502': [[status(502), OK], 'W OK'],
  'row 100: 503': [[status(503), OK], 'W OK'],
  'row 100: 504': [[status(504), OK], 'W OK'],
  'row 101: HTML': [[{ status: 200, body: '<h1>It works</h1>' }], 'OK'],
  'row 101: invalid JSON': [[{ status: 200, body: '{"ok":' }], 'OK'],
  'row 102: a reset behind the request is repeated at once': [[{ drop: 'late' }, OK], 'OK'],
  'row 102: two resets': [[{ drop: 'late' }, { drop: 'late' }, OK], 'W OK'],
  'row 102: a reset within the answer': [[{ raw: `${head}content-length: 500\r\n\r\n{`, then: 'reset' }, OK], 'W OK'],
  'row 103: a connection that ends as the request comes': [[{ drop: 'end' }, OK], 'OK'],
  'row 104: headers byte by byte': [[{ dribble: `${head}x-a: `, everyMs: 20 }, OK], 'W OK'],
  'row 104: a body byte by byte': [[{ dribble: `${head}content-length: 100000\r\n\r\n`, everyMs: 1 }, OK], 'W OK'],
  'row 105: no answer at all': [[{ hang: true }, OK], 'W OK'],
  'row 109: headers of 20 KB': [[{ raw: `${head}x-big: ${'x'.repeat(20_000)}\r\n\r\n`, then: 'end' }], 'R3 exhausted'],
  'row 109: two lengths': [
    [{ raw: `${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}x`, then: 'end' }],
    'R3 exhausted',
  ],
  'row 110: a length that lies': [[{ raw: `${head}content-length: 500\r\n\r\n{}`, then: 'end' }], 'R3 exhausted'],
  'row 110: garbage for chunks': [
    [{ raw: `${head}transfer-encoding: chunked\r\n\r\nzz\r\nnonsense\r\n`, then: 'end' }],
    'R3 exhausted',
  ],
};

const models = [{ label: 'tiny', name: CLIP }];
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('an answer to a callback', () => {
  let fates: JobFates;

  beforeAll(async () => {
    const names = Object.keys(ROWS);
    const cases = Object.fromEntries(
      names.map((name, index): [string, JobCase] => {
        const id = String(index + 1);
        return [name, { id, element: Buffer.from(photoJob(id, 'camera.jpg')) }];
      }),
    );
    const mates = names.map((_, index) => {
      const id = String(1000 + index);
      return { id, element: Buffer.from(photoJob(id, 'camera.jpg')) };
    });
    const asked = new Map<string, number>();
    fates = await runJobs({
      cases,
      mates,
      queue: inMemory({ maxAttempts: 3 }),
      runner: { models, roots: [IMAGES] },
      sink: { timeoutMs: 2500 },
      gallery: {
        respond: ({ path }) => {
          const id = /photos\/(\d+)\//.exec(path)?.[1] ?? '';
          const replies = Object.values(ROWS)[Number(id) - 1]?.[0];
          const index = asked.get(id) ?? 0;
          asked.set(id, index + 1);
          const reply = replies?.[Math.min(index, replies.length - 1)];
          // The gallery's own 200 remembers the callback.
          return reply === OK ? undefined : reply;
        },
      },
    });
  });

  it.each(Object.entries(ROWS))('%s', (name, [, fate]) => {
    const seen = fates.of(name).replace('ack', 'OK');
    // On a busy machine any answer may come too late once.
    expect(fate.startsWith('W ') ? seen : seen.replace('W ', '')).toBe(fate);
  });

  it('does no harm to other photos', () => {
    expect(fates.lostMates).toEqual([]);
  });
});

it('row 95: a photo that the server no longer knows is done with onGone: ack', async () => {
  const job: JobCase = { id: '1', element: Buffer.from(photoJob(1, 'camera.jpg')) };
  const fates = await runJobs({
    cases: { gone: job },
    mates: [{ id: '9', element: Buffer.from(photoJob(9, 'camera.jpg')) }],
    runner: { models, roots: [IMAGES], onGone: 'ack' },
    gallery: { gone: ['1'] },
  });
  expect(fates.of('gone')).toBe('ack');
  expect(fates.lostMates).toEqual([]);
});

it('row 94: a token that is refused for good stops the runner, and all jobs are back in their queue', async () => {
  const server = await startScriptedServer({ script: { status: 401 } });
  cleanups.push(() => server.close());
  const queue = memoryQueue();
  const sink = httpSink({ baseUrl: server.url, token: 'wrong' });
  const runner = createRunner({ queue, sink, models, roots: [IMAGES], device: 'cpu', authFailLimit: 3 });
  cleanups.push(() => runner.stop());
  const elements = [1, 2, 3, 4].map((id) => photoJob(id, 'camera.jpg'));
  queue.push(...elements);
  const failed = new Promise<RunnerError>((resolve) => runner.on('runner:failed', ({ error }) => resolve(error)));
  const stopped = new Promise((resolve) => runner.on('runner:stopped', resolve));
  await runner.start();
  expect((await failed).code).toBe('HTTP_UNAUTHORIZED');
  await stopped;
  expect(queue.waiting().map(String)).toEqual(elements);
  expect(queue.dead()).toEqual([]);
});

describe('a server that can not be reached', () => {
  const tls = (file: string): Buffer => readFileSync(new URL(`../fixtures/tls/${file}`, import.meta.url));
  const serveTls = async (cert: string, more: ServerSettings['tls'] = {}): Promise<string> => {
    const server = await startScriptedServer({ tls: { key: tls('server.key'), cert: tls(cert), ...more } });
    cleanups.push(() => server.close());
    return server.urlFor('localhost');
  };
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;

  it.each<[string, () => string | Promise<string>, RegExp]>([
    ['row 102: refused', () => 'http://127.0.0.1:9', /ECONNREFUSED/],
    ['row 106: a name that does not exist', () => 'http://no-such-gallery.invalid', /DNS/],
    ['row 107: an expired certificate', () => serveTls('expired.pem'), /expired/],
    ['row 107: a certificate for another host', () => serveTls('other-host.pem'), /host name/],
    ['row 107: a self-signed certificate', () => serveTls('self-signed.pem'), /NODE_EXTRA_CA_CERTS/],
    ['row 107: TLS 1.0', () => serveTls('localhost.pem', old), /TLS 1\.2/],
  ])('%s: the jobs wait, no attempt is spent, and a stop gives them back', async (_, url, advice) => {
    const queue = memoryQueue();
    const sink = httpSink({ baseUrl: await url(), ca: tls('ca.pem').toString(), timeoutMs: 15_000 });
    const runner = createRunner({ queue, sink, models, roots: [IMAGES], device: 'cpu' });
    const down: RunnerError[] = [];
    const retried: string[] = [];
    runner.on('sink:down', ({ error }) => down.push(error));
    runner.on('job:retried', ({ jobId }) => retried.push(jobId));
    const elements = [1, 2, 3, 4, 5, 6].map((id) => photoJob(id, 'camera.jpg'));
    queue.push(...elements);
    await runner.start();
    await until('the server counts as down', () => down.length > 0);
    await runner.stop({ deadlineMs: 500 });
    expect(`${down[0]?.message} ${String((down[0]?.cause as { code?: string } | undefined)?.code)}`).toMatch(advice);
    expect(retried).toEqual([]);
    expect(queue.dead()).toEqual([]);
    expect(queue.waiting().map(String)).toEqual(elements);
  });
});

describe('a server that answers in its own time', () => {
  const runOn = async (server: ScriptedServer | GalleryServer, count: number, concurrency: number): Promise<number> => {
    const queue = memoryQueue();
    const sink = httpSink({ baseUrl: server.url, token: 'x', concurrency });
    const runner = createRunner({ queue, sink, models, roots: [IMAGES], device: 'cpu', maxInFlight: 16 });
    cleanups.push(() => runner.stop());
    let most = 0;
    runner.on('job:claimed', () => (most = Math.max(most, runner.stats().jobs.inFlight)));
    queue.push(...Array.from({ length: count }, (_, index) => photoJob(index + 1, 'camera.jpg')));
    await runner.start();
    await until('all are done', () => runner.stats().jobs.done === count);
    expect(queue.dead()).toEqual([]);
    return most;
  };

  it('row 108: a server on IPv4 behind a name that may be IPv6 first', async () => {
    const server = await startScriptedServer({ host: '127.0.0.1' });
    cleanups.push(() => server.close());
    const queue = memoryQueue();
    const sink = httpSink({ baseUrl: server.urlFor('localhost') });
    const runner = createRunner({ queue, sink, models, roots: [IMAGES], device: 'cpu' });
    cleanups.push(() => runner.stop());
    queue.push(photoJob(1, 'camera.jpg'));
    await runner.start();
    await until('it is done', () => runner.stats().jobs.done === 1);
  });

  it('row 111: a server that restarts between the callbacks of one photo gets all of them', async () => {
    // The second of three goes down with the server, which is back for the next try.
    const server = await startScriptedServer({
      script: (_, index) => (index >= 1 && index <= 2 ? { drop: 'late' } : { status: 200 }),
    });
    cleanups.push(() => server.close());
    const queue = memoryQueue();
    const three = ['a', 'b', 'c'].map((label) => ({ label, name: CLIP }));
    const sink = httpSink({ baseUrl: server.url, concurrency: 1 });
    const runner = createRunner({ queue, sink, models: three, roots: [IMAGES], device: 'cpu' });
    cleanups.push(() => runner.stop());
    queue.push(photoJob(1, 'camera.jpg'));
    await runner.start();
    await until('it is done', () => runner.stats().jobs.done === 1);
    const taken = server.requests.filter((_, index) => index < 1 || index > 2);
    expect(new Set(taken.map(({ body }) => (body as { model: string }).model))).toEqual(new Set(['a', 'b', 'c']));
    expect(queue.dead()).toEqual([]);
  });

  it('row 112: a slow server slows the claims: no more are held than maxInFlight, no more callbacks than allowed', async () => {
    let open = 0;
    let mostOpen = 0;
    const server = await startScriptedServer({
      script: () => {
        mostOpen = Math.max(mostOpen, (open += 1));
        const after = new Promise<void>((resolve) => setTimeout(resolve, 40)).then(() => void (open -= 1));
        return { status: 200, after };
      },
    });
    cleanups.push(() => server.close());
    expect(await runOn(server, 80, 2)).toBeLessThanOrEqual(16);
    expect(mostOpen).toBe(2);
  });
});
