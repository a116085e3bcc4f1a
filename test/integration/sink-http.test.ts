import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RunnerError, type ErrorCode } from '../../src/errors.js';
import { createCourier, type CourierEvent } from '../../src/sink/courier.js';
import { httpSink, type HttpSink, type HttpSinkOptions } from '../../src/sink/http.js';
import { photoDelivery } from '../support/deliveries.js';
import { startGalleryServer } from '../support/gallery-server.js';
import {
  startScriptedServer,
  type Reply,
  type ScriptedServer,
  type Script,
  type ServerSettings,
} from '../support/scripted-server.js';

// Rows are those of the list of bad inputs, see test/support/bad-inputs.ts.

const TOKEN = 's3cret-gallery-token';
const never = new AbortController().signal;
const tls = (file: string): Buffer => readFileSync(new URL(`../fixtures/tls/${file}`, import.meta.url));
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(script: Script, settings: ServerSettings = {}): Promise<ScriptedServer> {
  const server = await startScriptedServer({ ...settings, script });
  cleanups.push(() => server.close());
  return server;
}

function sinkFor(baseUrl: string, options: HttpSinkOptions = {}): HttpSink {
  const sink = httpSink({ baseUrl, token: TOKEN, ...options });
  cleanups.push(() => sink.close());
  return sink;
}

/** What a delivery is answered with: the error, which holds no secret, or undefined. */
async function outcomeOf(sink: HttpSink, signal = never): Promise<RunnerError | undefined> {
  try {
    await sink.deliver(photoDelivery(1), signal);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(RunnerError);
    const shown = `${inspect(error, { depth: Infinity, showHidden: true })}\n${JSON.stringify(error)}\n${(error as Error).stack ?? ''}`;
    expect(shown).not.toContain(TOKEN);
    expect(shown).not.toContain('embedding":');
    return error as RunnerError;
  }
}

async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('a delivery', () => {
  it('is one POST of JSON below the base URL, with the token', async () => {
    const server = await serve({ status: 200 });
    await sinkFor(`${server.url}/gallery/`).deliver(photoDelivery(7), never);
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/gallery/api/internal/photos/7/ml_result',
        headers: { 'x-internal-token': TOKEN, 'content-type': 'application/json' },
        body: photoDelivery(7).body,
      },
    ]);
  });

  it('carries an empty token where there is none', async () => {
    const server = await serve({ status: 200 });
    await sinkFor(server.url, { token: '' }).deliver(photoDelivery(7), never);
    expect(server.requests[0]?.headers['x-internal-token']).toBe('');
  });

  it('is taken by a gallery, and refused by one with another token', async () => {
    const gallery = await startGalleryServer({ token: TOKEN });
    cleanups.push(() => gallery.close());
    await sinkFor(gallery.url).deliver(photoDelivery(7), never);
    expect(gallery.callbacksFor(7)).toMatchObject([{ kind: 'ml_result', body: photoDelivery(7).body }]);
    expect(await outcomeOf(sinkFor(gallery.url, { token: 'wrong' }))).toMatchObject({ code: 'HTTP_UNAUTHORIZED' });
    expect(gallery.callbacks).toHaveLength(1);
  });

  it('that cannot be written as JSON is refused, and nothing is sent', async () => {
    const server = await serve({ status: 200 });
    const delivery = { ...photoDelivery(1), body: { id: 1n } };
    await expect(sinkFor(server.url).deliver(delivery, never)).rejects.toMatchObject({
      code: 'HTTP_REJECTED',
      reason: 'http_body',
    });
    expect(server.requests).toEqual([]);
  });
});

describe('an answer that is a success', () => {
  it.each<[string, Reply]>([
    ['row 89: 200 with JSON', { status: 200, body: '{"ok":true}' }],
    ['row 89: 201', { status: 201, body: '{}' }],
    ['row 89: 204 without a body', { status: 204 }],
    ['row 89: 200 with an empty body', { status: 200, body: '' }],
    ['row 90: 103 before it', { status: 200, interim: [103], body: '{}' }],
    ['row 90: 102 and 103 before it', { status: 200, interim: [102, 103, 102], body: '{}' }],
    ['row 101: HTML', { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>It works</h1>' }],
    ['row 101: invalid JSON', { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":' }],
  ])('%s', async (_, reply) => {
    const server = await serve(reply);
    const sink = sinkFor(server.url, { concurrency: 1 });
    for (let i = 0; i < 3; i += 1) expect(await outcomeOf(sink)).toBeUndefined();
    // Drained, so the one connection served them all.
    expect(server.connections).toBe(1);
  });

  it('row 89: a huge body is cut off, and its connection with it', async () => {
    const server = await serve({ status: 200, body: Buffer.alloc(64 * 1024 * 1024) });
    const sink = sinkFor(server.url, { concurrency: 1, maxResponseBytes: 1_000 });
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
    await server.until(() => server.openConnections === 0);
  });

  it('row 89: a body without an end is cut off too', async () => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    const server = await serve({ raw: head + '1000\r\n' + 'x'.repeat(4_096) + '\r\n', then: 'hang' });
    expect(await outcomeOf(sinkFor(server.url, { maxResponseBytes: 1_000, timeoutMs: 5_000 }))).toBeUndefined();
  });
});

describe('a status that is a failure', () => {
  it.each<[string, number, ErrorCode, string]>([
    ['row 91: 301', 301, 'HTTP_REDIRECT', 'http_301'],
    ['row 91: 302', 302, 'HTTP_REDIRECT', 'http_302'],
    ['row 91: 307', 307, 'HTTP_REDIRECT', 'http_307'],
    ['row 91: 308', 308, 'HTTP_REDIRECT', 'http_308'],
    ['row 93: 400', 400, 'HTTP_REJECTED', 'http_400'],
    ['row 94: 401', 401, 'HTTP_UNAUTHORIZED', 'http_401'],
    ['row 94: 403', 403, 'HTTP_UNAUTHORIZED', 'http_403'],
    ['row 95: 404', 404, 'HTTP_GONE', 'http_404'],
    ['row 95: 410', 410, 'HTTP_GONE', 'http_404'],
    ['row 96: 408', 408, 'HTTP_SERVER_ERROR', 'http_408'],
    ['row 96: 425', 425, 'HTTP_SERVER_ERROR', 'http_425'],
    ['row 97: 409', 409, 'HTTP_REJECTED', 'http_409'],
    ['row 97: 422', 422, 'HTTP_REJECTED', 'http_422'],
    ['row 98: 413', 413, 'HTTP_REJECTED', 'http_413'],
    ['row 100: 500', 500, 'HTTP_SERVER_ERROR', 'http_500'],
    ['row 100: 502', 502, 'HTTP_UNAVAILABLE', 'http_502'],
    ['row 100: 503', 503, 'HTTP_UNAVAILABLE', 'http_503'],
    ['row 100: 504', 504, 'HTTP_UNAVAILABLE', 'http_504'],
  ])('%s, an answer %i, is %s with the reason %s, tried once', async (_, status, code, reason) => {
    // It echoes the token and more wherever it can: nothing of an answer may come out again.
    const server = await serve({
      status,
      headers: { location: `/elsewhere?${TOKEN}`, 'x-echo': TOKEN },
      body: `{"token":"${TOKEN}"}`,
    });
    expect(await outcomeOf(sinkFor(server.url))).toMatchObject({ code, reason });
    expect(server.requests).toHaveLength(1);
  });

  it.each([301, 302, 303, 307, 308])(
    'row 92: a %i to another server is not followed: that one sees nothing',
    async (status) => {
      const other = await serve({ status: 200 });
      const server = await serve({ status, headers: { location: `${other.url}/api/internal/photos/1/ml_result` } });
      expect(await outcomeOf(sinkFor(server.url))).toMatchObject({ code: 'HTTP_REDIRECT', reason: `http_${status}` });
      expect(other.connections).toBe(0);
      expect(other.requests).toEqual([]);
    },
  );

  it.each<[string, string | undefined, number]>([
    ['seconds', '7', 7_000],
    ['garbage', 'in a while', 5_000],
    ['1e9 seconds', '1000000000', 3_600_000],
    ['nothing', undefined, 5_000],
  ])('row 99: 429 with %s', async (_name, header, retryAfterMs) => {
    const server = await serve({ status: 429, headers: header === undefined ? {} : { 'retry-after': header } });
    expect(await outcomeOf(sinkFor(server.url))).toMatchObject({ code: 'HTTP_RATE_LIMITED', retryAfterMs });
  });

  it('row 99: 429 with a date', async () => {
    const server = await serve(() => ({
      status: 429,
      headers: { 'retry-after': new Date(Date.now() + 60_000).toUTCString() },
    }));
    const error = await outcomeOf(sinkFor(server.url));
    expect(error?.retryAfterMs).toBeGreaterThan(50_000);
    expect(error?.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('counts even where the text behind it breaks off or never ends', async () => {
    const head = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 500\r\n\r\nno';
    const broken = await serve({ raw: head, then: 'end' });
    expect(await outcomeOf(sinkFor(broken.url))).toMatchObject({ code: 'HTTP_REJECTED' });
    const endless = await serve({ raw: head, then: 'hang' });
    expect(await outcomeOf(sinkFor(endless.url, { timeoutMs: 2_000 }))).toMatchObject({ code: 'HTTP_REJECTED' });
  });
});

describe('a connection that fails', () => {
  it('row 102: refused', async () => {
    const error = await outcomeOf(sinkFor(`http://127.0.0.1:${await closedPort()}`));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } });
  });

  it.each([
    ['reset before the body is read', 'early'],
    ['reset after the request', 'late'],
    ['closed after the request', 'end'],
  ] as const)('row 102: %s is repeated once at once', async (_name, drop) => {
    const server = await serve([{ drop }, { status: 200 }]);
    expect(await outcomeOf(sinkFor(server.url))).toBeUndefined();
    expect(server.requests).toHaveLength(2);
  });

  it.each(['early', 'late', 'end'] as const)(
    'row 102: broken twice (%s) it is an outage, and no third try is made',
    async (drop) => {
      const server = await serve({ drop });
      expect(await outcomeOf(sinkFor(server.url))).toMatchObject({ code: 'HTTP_UNAVAILABLE' });
      expect(server.requests).toHaveLength(2);
    },
  );

  it('row 102: a reset within the answer is an outage', async () => {
    const server = await serve({ raw: 'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"ok"', then: 'reset' });
    expect(await outcomeOf(sinkFor(server.url))).toMatchObject({
      code: 'HTTP_UNAVAILABLE',
      cause: { code: 'ECONNRESET' },
    });
    expect(server.requests).toHaveLength(1);
  });

  it('row 103: a kept connection that the server closes as the next request comes is replaced', async () => {
    const server = await serve([{ status: 200 }, { drop: 'late' }, { status: 200 }]);
    const sink = sinkFor(server.url, { concurrency: 1 });
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });

  it('row 103: a kept connection that the server has closed meanwhile is not used again', async () => {
    const server = await serve({ status: 200 });
    const sink = sinkFor(server.url);
    expect(await outcomeOf(sink)).toBeUndefined();
    server.closeConnections();
    await server.until(() => server.openConnections === 0);
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  it('row 103: an idle connection is dropped within seconds, long before servers drop theirs', async () => {
    const server = await serve({ status: 200, headers: { 'keep-alive': 'timeout=600' } });
    expect(await outcomeOf(sinkFor(server.url))).toBeUndefined();
    const startMs = performance.now();
    await server.until(() => server.openConnections === 0);
    expect(performance.now() - startMs).toBeLessThan(4_500);
  });

  it('row 106: a name that does not exist', async () => {
    const error = await outcomeOf(sinkFor('http://no-such-gallery.invalid'));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE' });
    expect(error?.message).toMatch(/DNS/);
  });

  // Other systems have no 127.0.0.2.
  it.runIf(process.platform === 'linux')(
    'row 106: a name that moves is looked up anew for the next connection',
    async () => {
      const first = await serve({ status: 200 });
      const second = await serve({ status: 200 }, { host: '127.0.0.2', port: first.port });
      let address = '127.0.0.1';
      answerLookups(() => [{ address, family: 4 }]);
      const sink = sinkFor(`http://gallery.test:${first.port}`);
      expect(await outcomeOf(sink)).toBeUndefined();
      address = '127.0.0.2';
      first.closeConnections();
      await first.until(() => first.openConnections === 0);
      expect(await outcomeOf(sink)).toBeUndefined();
      expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
    },
  );

  it('row 108: a server on IPv4 only, behind a name that is IPv6 first', async () => {
    const server = await serve({ status: 200 });
    answerLookups(() => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]);
    expect(await outcomeOf(sinkFor(server.urlFor('localhost')))).toBeUndefined();
    expect(server.requests).toHaveLength(1);
  });

  it('row 108: no server on either address', async () => {
    const port = await closedPort();
    answerLookups(() => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]);
    expect(await outcomeOf(sinkFor(`http://localhost:${port}`))).toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });
});

/** The resolver of this machine is the one thing that can't be had in another shape; the connections are real. */
function answerLookups(addresses: () => dns.LookupAddress[]): void {
  vi.spyOn(dns, 'lookup').mockImplementation(((
    _host: string,
    _options: unknown,
    done: (...answer: unknown[]) => void,
  ) => {
    process.nextTick(done, null, addresses());
  }) as unknown as typeof dns.lookup);
}

describe('a server that is too slow', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n';

  it.each<[string, Reply]>([
    ['row 104: dribbles its headers', { dribble: 'HTTP/1.1 200 OK\r\nx-a: ', everyMs: 20 }],
    ['row 104: dribbles its body', { dribble: '', everyMs: 20 }],
    ['row 105: takes the request and never answers', { hang: true }],
    ['row 105: sends headers and then nothing', { raw: head, then: 'hang' }],
  ])('%s', async (name, reply) => {
    const script: Reply = name.endsWith('its body') ? { dribble: head, everyMs: 1 } : reply;
    const server = await serve(script);
    const startMs = performance.now();
    const error = await outcomeOf(sinkFor(server.url, { timeoutMs: 600 }));
    expect(error).toMatchObject({ code: 'HTTP_TIMEOUT', retry: 'wait' });
    expect(error?.message).toContain('600 ms');
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(590);
    expect(performance.now() - startMs).toBeLessThan(6_000);
    expect(server.requests).toHaveLength(1);
    // The connection is gone too, so nothing of it is left behind.
    await server.until(() => server.openConnections === 0);
  });

  it('row 105: lets nobody in: the deadline holds for connecting too', async () => {
    // A resolver that never answers stands for any connection that is never made.
    vi.spyOn(dns, 'lookup').mockImplementation(() => undefined);
    const error = await outcomeOf(sinkFor('http://gallery.test:5800', { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: 'HTTP_TIMEOUT' });
  });

  it('row 112: gets no more than `concurrency` requests and connections at a time', async () => {
    let open = 0;
    let most = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const server = await serve(() => {
      most = Math.max(most, (open += 1));
      return { status: 200, after: released.then(() => void (open -= 1)) };
    });
    const sink = sinkFor(server.url, { concurrency: 4 });
    const sent = Array.from({ length: 40 }, (_, id) => sink.deliver(photoDelivery(id), never));
    await server.until(() => server.requests.length === 4);
    release();
    await Promise.all(sent);
    expect(most).toBe(4);
    expect(server.connections).toBe(4);
    expect(server.requests).toHaveLength(40);
  });

  it('does not count the wait for one’s turn against the deadline', async () => {
    const server = await serve(() => ({ status: 200, after: delay(700) }));
    const sink = sinkFor(server.url, { concurrency: 1, timeoutMs: 2_500 });
    const sent = [1, 2, 3, 4].map((id) => sink.deliver(photoDelivery(id), never));
    await expect(Promise.all(sent)).resolves.toHaveLength(4);
  });
});

describe('an answer against the rules of HTTP', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  it.each<[string, Reply]>([
    ['row 109: headers over 16 KB', { raw: `${ok}x-big: ${'x'.repeat(20_000)}\r\n\r\n`, then: 'end' }],
    ['row 109: thousands of headers', { raw: `${ok}${'x-a: 1\r\n'.repeat(5_000)}\r\n`, then: 'end' }],
    ['row 109: two lengths', { raw: `${ok}content-length: 2\r\ncontent-length: 3\r\n\r\n{}x`, then: 'end' }],
    ['row 110: a body shorter than its length', { raw: `${ok}content-length: 500\r\n\r\n{}`, then: 'end' }],
    ['row 110: garbage for chunks', { raw: `${ok}transfer-encoding: chunked\r\n\r\nzz\r\nnonsense\r\n`, then: 'end' }],
    ['row 110: chunks that end too early', { raw: `${ok}transfer-encoding: chunked\r\n\r\n5\r\n{}`, then: 'end' }],
    ['row 110: no HTTP at all', { raw: `SSH-2.0-OpenSSH ${TOKEN}\r\n`, then: 'end' }],
  ])('%s spends an attempt', async (_, reply) => {
    const server = await serve(reply);
    const error = await outcomeOf(sinkFor(server.url));
    expect(error).toMatchObject({ code: 'HTTP_SERVER_ERROR', retry: 'later', reason: 'http_protocol' });
    expect(server.requests).toHaveLength(1);
  });

  it('row 110: a body longer than its length does no harm to the next delivery', async () => {
    const server = await serve([{ raw: `${ok}content-length: 2\r\n\r\n{}${ok}\r\n`, then: 'end' }, { status: 404 }]);
    const sink = sinkFor(server.url);
    expect(await outcomeOf(sink)).toBeUndefined();
    expect(await outcomeOf(sink)).toMatchObject({ code: 'HTTP_GONE' });
  });
});

describe('TLS', () => {
  const serveTls = (cert: string, extra: ServerSettings['tls'] = {}): Promise<ScriptedServer> =>
    serve({ status: 200 }, { tls: { key: tls('server.key'), cert: tls(cert), ...extra } });
  const ca = tls('ca.pem').toString();

  it('delivers to a server whose authority is given', async () => {
    const server = await serveTls('localhost.pem');
    expect(await outcomeOf(sinkFor(server.urlFor('localhost'), { ca }))).toBeUndefined();
    expect(server.requests).toHaveLength(1);
  });

  it.each<[string, string, string, RegExp]>([
    ['an expired certificate', 'expired.pem', 'CERT_HAS_EXPIRED', /expired; renew it/],
    ['a certificate for another host', 'other-host.pem', 'ERR_TLS_CERT_ALTNAME_INVALID', /another host name/],
    ['a self-signed certificate', 'self-signed.pem', 'DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS/],
  ])('row 107: %s is refused, and the token is not sent', async (_name, cert, code, advice) => {
    const server = await serveTls(cert);
    const error = await outcomeOf(sinkFor(server.urlFor('localhost'), { ca }));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE', retry: 'wait', cause: { code } });
    expect(error?.message).toMatch(advice);
    expect(server.requests).toEqual([]);
  });

  it('row 107: an authority that is not trusted is refused', async () => {
    const server = await serveTls('localhost.pem');
    const error = await outcomeOf(sinkFor(server.urlFor('localhost')));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE', cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' } });
    expect(server.requests).toEqual([]);
  });

  it('row 107: NODE_TLS_REJECT_UNAUTHORIZED=0 changes nothing', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    try {
      const server = await serveTls('self-signed.pem');
      expect(await outcomeOf(sinkFor(server.urlFor('localhost')))).toMatchObject({ code: 'HTTP_UNAVAILABLE' });
      expect(server.requests).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('row 107: TLS 1.0 is refused', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const server = await serveTls('localhost.pem', old);
    const error = await outcomeOf(sinkFor(server.urlFor('localhost'), { ca }));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE' });
    expect(error?.message).toMatch(/TLS 1\.2/);
    expect(server.requests).toEqual([]);
  });

  it('row 107: https to a server that speaks http says so', async () => {
    const server = await serve({ status: 200 });
    const error = await outcomeOf(sinkFor(server.url.replace('http:', 'https:')));
    expect(error).toMatchObject({ code: 'HTTP_UNAVAILABLE' });
    expect(error?.message).toMatch(/http:\/\//);
  });
});

describe('stopping', () => {
  it('the signal ends a delivery under way and one that waits its turn', async () => {
    const server = await serve({ hang: true });
    const sink = sinkFor(server.url, { concurrency: 1 });
    const stop = new AbortController();
    const outcomes = [outcomeOf(sink, stop.signal), outcomeOf(sink, stop.signal)];
    await server.until(() => server.requests.length === 1);
    stop.abort();
    expect(await Promise.all(outcomes)).toMatchObject([{ code: 'RUNNER_STOPPED' }, { code: 'RUNNER_STOPPED' }]);
    await server.until(() => server.openConnections === 0);
    expect(server.requests).toHaveLength(1);
    expect(await outcomeOf(sink, stop.signal)).toMatchObject({ code: 'RUNNER_STOPPED' });
  });

  it('close() ends what is under way, leaves no connection, and is the same promise again', async () => {
    const server = await serve({ hang: true });
    const sink = sinkFor(server.url);
    const outcome = outcomeOf(sink);
    await server.until(() => server.requests.length === 1);
    const closing = sink.close();
    expect(sink.close()).toBe(closing);
    await closing;
    expect(await outcome).toMatchObject({ code: 'RUNNER_STOPPED' });
    await server.until(() => server.openConnections === 0);
    expect(await outcomeOf(sink)).toMatchObject({ code: 'RUNNER_STOPPED' });
  });
});

describe('courier and sink together', () => {
  const quick = { backoffBaseMs: 20, backoffCapMs: 50 };

  it('row 111: a server that is gone for a while and comes back gets everything, and nothing is rejected', async () => {
    const port = await closedPort();
    const events: CourierEvent[] = [];
    const sink = sinkFor(`http://127.0.0.1:${port}`);
    const courier = createCourier({ sink, options: quick, onEvent: (event) => events.push(event) });
    const sent = Promise.all(Array.from({ length: 30 }, (_, id) => courier.send(photoDelivery(id + 1), never)));
    await vi.waitUntil(() => courier.isOpen, { timeout: 60_000 });
    const gallery = await startGalleryServer({ token: TOKEN, port });
    cleanups.push(() => gallery.close());
    await sent;
    expect(new Set(gallery.callbacks.map(({ id }) => id)).size).toBe(30);
    expect(events.map(({ type }) => type)).toContain('breaker:closed');
    expect(courier.stats()).toMatchObject({ delivered: 30, failed: 0, held: 0, inFlight: 0, breaker: 'closed' });
    await courier.close();
  });

  it('row 111: a restart in the middle of three POSTs of a photo loses none of them', async () => {
    const server = await serve((_request, index) => (index >= 1 && index <= 4 ? { drop: 'late' } : { status: 200 }));
    const courier = createCourier({ sink: sinkFor(server.url), options: { ...quick, concurrency: 1 } });
    const bodies = [photoDelivery(1, [1]), photoDelivery(1, [2]), photoDelivery(1, [3])];
    await Promise.all(bodies.map((delivery) => courier.send(delivery, never)));
    const taken = server.requests.filter((_request, index) => index < 1 || index > 4).map(({ body }) => body);
    expect(taken).toEqual(expect.arrayContaining(bodies.map(({ body }) => body)));
    await courier.close();
  });

  it('row 94: a wrong token spends no attempt, is told once, and shows the token nowhere', async () => {
    const gallery = await startGalleryServer({ token: 'another' });
    cleanups.push(() => gallery.close());
    const events: CourierEvent[] = [];
    const courier = createCourier({
      sink: sinkFor(gallery.url),
      options: quick,
      onEvent: (event) => events.push(event),
    });
    const stop = new AbortController();
    const sent = Array.from({ length: 20 }, (_, id) => courier.send(photoDelivery(id), stop.signal));
    const rejected = Promise.allSettled(sent);
    await vi.waitUntil(() => events.some(({ type }) => type === 'auth:failed'), { timeout: 60_000 });
    stop.abort();
    for (const result of await rejected)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'RUNNER_STOPPED' } });
    expect(events.filter(({ type }) => type === 'breaker:open')).toHaveLength(1);
    expect(gallery.callbacks).toEqual([]);
    expect(
      inspect([events, courier, courier.stats(), await rejected], { depth: Infinity, showHidden: true }),
    ).not.toContain(TOKEN);
    await courier.close();
  });
});
