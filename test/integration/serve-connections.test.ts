import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { EmbedService, vectorOf } from '../support/embed-service.js';
import { until } from '../support/until.js';

const JSON_TYPE = { 'content-type': 'application/json' };
/** So many texts keep a service busy for a while. */
const LONG = 6000;
const LONG_ENV = { EMBED_MAX_TEXTS: String(LONG), EMBED_MAX_WAITING: String(LONG + 10) };

const started: EmbedService[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(started.splice(0).map(({ command }) => command.kill('SIGKILL')));
});

function start(env: Readonly<Record<string, string>> = {}): Promise<EmbedService> {
  const service = new EmbedService(env);
  started.push(service);
  return service.ready();
}

const longList = (): string[] => Array.from({ length: LONG }, (_, index) => `photo ${index} of a long day at the sea`);
const running = (service: EmbedService): Promise<number> =>
  service.metric('clip_runner_inputs{lane="text",state="running"}');
const waiting = (service: EmbedService): Promise<number> =>
  service.metric('clip_runner_inputs{lane="text",state="waiting"}');

/** A bare connection, what came over it, and when it ended. */
async function dial(
  service: EmbedService,
): Promise<{ socket: Socket; received: () => string; ended: Promise<unknown> }> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let text = '';
  socket.on('data', (data: Buffer) => (text += data.toString()));
  socket.on('error', () => undefined);
  const ended = once(socket, 'close');
  await once(socket, 'connect');
  return { socket, received: () => text, ended };
}

describe('a token', () => {
  const TOKEN = 'token-4711';

  it('is asked for by what embeds, and by nothing else', async () => {
    const service = await start({ EMBED_TOKEN: TOKEN });
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      TOKEN,
      `Basic ${TOKEN}`,
    ];
    for (const authorization of wrong) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await service.post('/embed_text', { text: 'a' }, headers);
      expect(answer).toMatchObject({ status: 401, body: { detail: 'Expected the token of this service.' } });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    for (const authorization of [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`])
      expect((await service.post('/embed_text', { text: 'a' }, { authorization })).status).toBe(200);
    expect((await service.post('/embed_texts', { texts: ['a'] })).status).toBe(401);
    expect((await service.post('/embed_image', {})).status).toBe(401);
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs/'])
      expect((await service.get(path)).status).toBe(200);
    expect(JSON.stringify((await service.get('/openapi.json')).body)).toContain('"securitySchemes":{"bearer"');
    expect(await service.stop()).toBe(0);
    expect(service.command.stderr).not.toContain(TOKEN);
  });
});

describe('limits', () => {
  it('answers 503 with Retry-After to texts beyond those that may wait, and takes them again later', async () => {
    const service = await start({ EMBED_MAX_WAITING: '20' });
    const tooMany = await service.post('/embed_texts', { texts: Array<string>(21).fill('a') });
    // It would never find room, however long its sender waited.
    expect(tooMany).toMatchObject({ status: 422 });
    const burst = await Promise.all(
      Array.from({ length: 200 }, () => service.post('/embed_texts', { texts: Array<string>(20).fill('a cat') })),
    );
    const statuses = burst.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    const busy = burst.find(({ status }) => status === 503);
    expect(busy).toMatchObject({ body: { detail: 'Too much waits already.' } });
    expect(busy?.headers.get('retry-after')).toBe('1');
    expect((await service.post('/embed_text', { text: 'a' })).status).toBe(200);
    expect(service.command.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('stops unpacking at the limit of the body: a small bomb is a 413', async () => {
    const service = await start();
    const bomb = gzipSync(Buffer.alloc(100_000_000, 0x20));
    expect(bomb.length).toBeLessThan(100_000);
    const rss = await service.metric('process_resident_memory_bytes');
    for (const round of [1, 2, 3]) {
      const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
      const answer = await service.send('/embed_text', { method: 'POST', body: bomb, headers });
      expect({ round, status: answer.status }).toEqual({ round, status: 413 });
    }
    expect((await service.metric('process_resident_memory_bytes')) - rss).toBeLessThan(60_000_000);
  });

  it('answers a head of 20 kB with 431, and what is no HTTP with 400, in JSON', async () => {
    const service = await start();
    for (const [sent, status, detail] of [
      [
        `GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`,
        431,
        'The head of the request is too large.',
      ],
      ['\u0016\u0003\u0001 this is TLS\r\n\r\n', 400, 'This is not HTTP.'],
    ] as const) {
      const { socket, received, ended } = await dial(service);
      socket.write(sent);
      await ended;
      expect(received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(received()).toContain(JSON.stringify({ detail }));
    }
  });
});

describe('compressed bodies', () => {
  it('are read as if they were not', async () => {
    const service = await start();
    const plain = JSON.stringify({ text: 'a cat on the beach' });
    const expected = vectorOf(await service.post('/embed_text', { text: 'a cat on the beach' }));
    const encodings = {
      gzip: gzipSync(plain),
      deflate: deflateSync(plain),
      br: brotliCompressSync(plain),
      identity: Buffer.from(plain),
    };
    for (const [encoding, body] of Object.entries(encodings)) {
      const headers = { ...JSON_TYPE, 'content-encoding': encoding };
      const answer = await service.send('/embed_text', { method: 'POST', body, headers });
      expect({ encoding, status: answer.status }).toEqual({ encoding, status: 200 });
      expect(vectorOf(answer)).toEqual(expected);
    }
    for (const body of [gzipSync(plain).subarray(0, 30), Buffer.from('not gzip'), Buffer.alloc(0)]) {
      const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
      expect((await service.send('/embed_text', { method: 'POST', body, headers })).status).toBe(400);
    }
  });
});

describe('clients that are slow or go away', () => {
  it('cuts off a head or a body that comes byte by byte, and serves others meanwhile', async () => {
    const service = await start({ EMBED_REQUEST_TIMEOUT_MS: '1000' });
    const head = await dial(service);
    const body = await dial(service);
    head.socket.write('POST /embed_text HTTP/1.1\r\nhost: x\r\n');
    body.socket.write(
      'POST /embed_text HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"te',
    );
    const dribble = setInterval(() => {
      head.socket.write('x');
      body.socket.write('x');
    }, 50);
    try {
      expect((await service.post('/embed_text', { text: 'a' })).status).toBe(200);
      await Promise.all([head.ended, body.ended]);
    } finally {
      clearInterval(dribble);
    }
    for (const { received } of [head, body]) {
      expect(received()).toMatch(/^HTTP\/1.1 408 /);
      expect(received()).toContain('{"detail":"The request did not arrive in time."}');
    }
  });

  it('calls off what waits for a client that hung up', async () => {
    const service = await start(LONG_ENV);
    const gone = new AbortController();
    const body = JSON.stringify({ texts: longList() });
    const asked = fetch(`${service.url}/embed_texts`, {
      method: 'POST',
      body,
      headers: JSON_TYPE,
      signal: gone.signal,
    });
    asked.catch(() => undefined);
    await until('the texts are under way', async () => (await running(service)) > 0);
    gone.abort();
    await until('nothing waits any more', async () => (await waiting(service)) + (await running(service)) === 0);
    expect(await service.metric('clip_runner_batch_items_sum{lane="text"}')).toBeLessThan(LONG / 2);
    expect(await service.metric('clip_runner_http_requests_total{route="/embed_texts",status="499"}')).toBe(1);
    expect((await service.post('/embed_text', { text: 'a' })).status).toBe(200);
    expect(service.command.log.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  it('answers a single text while a long list is under way', async () => {
    const service = await start(LONG_ENV);
    const long = service.post('/embed_texts', { texts: longList() });
    await until('the texts are under way', async () => (await running(service)) > 0);
    expect((await service.post('/embed_text', { text: 'a' })).status).toBe(200);
    // Behind the list it would have been the last.
    expect(await waiting(service)).toBeGreaterThan(LONG / 10);
    expect((await long).status).toBe(200);
  });
});

describe('a connection that is kept', () => {
  const post = (
    service: EmbedService,
    agent: Agent,
    body: string,
  ): Promise<{ answer: IncomingMessage; text: string; socket: unknown }> =>
    new Promise((resolve, reject) => {
      const outgoing = request(`${service.url}/embed_text`, { method: 'POST', agent, headers: JSON_TYPE }, (answer) => {
        const { socket } = answer;
        let text = '';
        answer.on('data', (data: Buffer) => (text += data.toString()));
        answer.on('end', () => resolve({ answer, text, socket }));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });

  it('serves one request after the other, refused ones too', async () => {
    const service = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const seen = new Set<unknown>();
    for (const [body, status] of [
      ['{"text":"a"}', 200],
      ['{"text":" "}', 400],
      ['{"text":5}', 422],
      ['{"text":"a","model":"x"}', 404],
      ['{"text":"b"}', 200],
    ] as const) {
      const { answer, socket } = await post(service, agent, body);
      expect(answer.statusCode).toBe(status);
      seen.add(socket);
    }
    expect(seen.size).toBe(1);
    agent.destroy();
  });

  it('takes requests that are sent before the answers to those before', async () => {
    const service = await start();
    const { socket, received } = await dial(service);
    const one = (text: string): string => {
      const body = JSON.stringify({ text });
      return `POST /embed_text HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    };
    socket.write(one('a cat') + one(' ') + one('a dog'));
    await until('three answers came', () => received().split('HTTP/1.1 ').length === 4);
    expect([...received().matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '400', '200']);
  });
});

describe('a stop', () => {
  it('finishes what is under way, takes nothing more, closes kept connections, and exits with 0', async () => {
    const service = await start({ ...LONG_ENV, SHUTDOWN_TIMEOUT_MS: '60000' });
    // These two have had an answer and stay connected; one begins its next request only after the signal.
    const idle = await dial(service);
    const late = await dial(service);
    for (const { socket, received } of [idle, late]) {
      socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
      await until('it is ready', () => received().includes('{"status":"ready"}'));
    }
    const long = service.post('/embed_texts', { texts: longList() });
    await until('the texts are under way', async () => (await running(service)) > 0);
    service.command.child.kill('SIGTERM');
    await service.command.logged('stopping; a second signal hurries');
    expect(await service.get('/readyz')).toMatchObject({ status: 503, body: { detail: 'The service is stopping.' } });
    expect((await service.get('/healthz')).status).toBe(200);
    const refused = await service.post('/embed_text', { text: 'a' });
    expect(refused).toMatchObject({ status: 503, body: { detail: 'The service is stopping.' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    late.socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
    await late.ended;
    expect(late.received()).toMatch(/503[^]*connection: close/i);

    const finished = await long;
    expect(finished.status).toBe(200);
    expect(finished.headers.get('connection')).toBe('close');
    expect(finished.body['embeddings']).toHaveLength(LONG);
    await idle.ended;
    expect(await service.command.ended()).toBe(0);
  });

  it('cuts off at its deadline what is not finished', async () => {
    const service = await start({ ...LONG_ENV, SHUTDOWN_TIMEOUT_MS: '300' });
    const long = service.post('/embed_texts', { texts: longList() }).catch(() => 'cut off');
    const half = await dial(service);
    half.socket.write('POST /embed_text HTTP/1.1\r\nhost: x\r\n');
    await until('the texts are under way', async () => (await running(service)) > 0);
    expect(await service.stop()).toBe(0);
    expect(await long).toBe('cut off');
    await half.ended;
  });

  it('works while the models are being loaded, when requests are refused', async () => {
    const service = new EmbedService();
    started.push(service);
    await service.listening();
    const [ready, asked] = await Promise.all([service.get('/readyz'), service.post('/embed_text', { text: 'a' })]);
    // A model so small may be there already.
    if (!service.command.log.some(({ msg }) => msg === 'ready')) {
      expect(ready).toMatchObject({ status: 503, body: { detail: 'The models are being loaded.' } });
      expect(asked.headers.get('retry-after')).toBe('1');
    }
    expect(await service.stop()).toBe(0);
  });
});
