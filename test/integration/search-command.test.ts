import { afterEach, describe, expect, it } from 'vitest';
import { createRunner } from '../../dist/index.js';
import { CommandProcess } from '../support/command.js';
import { cosine, SIGLIP } from '../support/fixtures.js';
import { startScriptedServer, type ScriptedServer } from '../support/scripted-server.js';
import { SearchServer, type SearchServerSettings } from '../support/search-server.js';
import { until } from '../support/until.js';

const TOKEN = 'eyJ.token-that-nobody-may-see-4711';
const EMBEDDING = Array.from({ length: 64 }, (_, index) => (index === 0 ? 1 : 0));

const servers: { close(): Promise<void> }[] = [];
const started: CommandProcess[] = [];

afterEach(async () => {
  const output = started.map(({ stdout, stderr }) => stdout + stderr).join('');
  await Promise.all(started.splice(0).map((command) => command.kill('SIGKILL')));
  await Promise.all(servers.splice(0).map((server) => server.close()));
  expect(output).not.toContain(TOKEN);
});

async function gallery(settings: SearchServerSettings = {}): Promise<SearchServer> {
  const server = await new SearchServer({ accessToken: TOKEN, ...settings }).listen();
  servers.push(server);
  return server;
}

/** An embed service, so that no model is loaded. */
async function embedService(body: unknown = { embedding: EMBEDDING }): Promise<ScriptedServer> {
  const server = await startScriptedServer({ script: { status: 200, body: JSON.stringify(body) } });
  servers.push(server);
  return server;
}

function search(url: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): CommandProcess {
  const command = new CommandProcess(['search', ...args], {
    API_BASE_URL: url,
    ACCESS_TOKEN: TOKEN,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `siglip=${SIGLIP},other=./no/such/folder`,
    PROCESSING_TEXT_EMBED_URL: 'none',
    ...env,
  });
  started.push(command);
  return command;
}

describe('clip-runner search', () => {
  it('embeds the words with the first model alone and prints rank, id, distance and address', async () => {
    const server = await gallery();
    const command = search(server.url, ['a', 'cat on the beach', '--limit', '2']);
    expect([await command.ended(), command.stderr]).toEqual([0, '']);
    expect(command.stdout).toBe(
      `1                42  0.1235  ${server.url}/uploads/original/beach.jpg\n` +
        '2  9007199254740993  0.5000  https://cdn.example/x.jpg\n',
    );
    const [call] = server.calls;
    const { embedding, ...rest } = call?.body as { embedding: number[] };
    expect(call).toMatchObject({ path: '/api/search/vector', authorization: `Bearer ${TOKEN}` });
    expect(rest).toEqual({ model: 'siglip', modality: 'text', limit: 2 });
    const runner = createRunner({ models: `siglip=${SIGLIP}`, tasks: ['text'], device: 'cpu' });
    await runner.start();
    const [expected] = await runner.embedTexts(['a cat on the beach']);
    await runner.stop();
    expect(cosine(embedding, expected!)).toBeGreaterThan(0.999999);
  });

  it('asks the embed service where one is named, without the token, and takes wrapped answers', async () => {
    const server = await gallery({ isWrapped: true });
    const service = await embedService();
    const command = search(server.url, [
      'a cat',
      '--embed-url',
      `${service.url}/embed_text`,
      '--model',
      'any',
      '--json',
    ]);
    expect([await command.ended(), command.stderr]).toEqual([0, '']);
    expect(JSON.parse(command.stdout)).toEqual([
      { rank: 1, id: 42, distance: 0.1234567, url: `${server.url}/uploads/original/beach.jpg` },
      { rank: 2, id: '9007199254740993', distance: 0.5, url: 'https://cdn.example/x.jpg' },
      { rank: 3, id: 7, distance: 1, url: `${server.url}/uploads/original/%E6%B5%B7%20%E8%BE%B9.jpg` },
    ]);
    expect(server.calls[0]?.body).toEqual({ embedding: EMBEDDING, model: 'any', modality: 'text', limit: 10 });
    expect(service.requests).toMatchObject([{ path: '/embed_text', body: { text: 'a cat', model: 'any' } }]);
    expect(service.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('asks the embed service at its usual place where none is named, and loads the model where nobody is there', async (context) => {
    const server = await gallery();
    const usual = { PROCESSING_TEXT_EMBED_URL: '' };
    const script = { status: 200, body: JSON.stringify({ embedding: EMBEDDING }) };
    // Another program may have the port; then nothing can be said.
    const service = await startScriptedServer({ port: 8001, script }).catch(() => context.skip());
    try {
      const asking = search(server.url, ['a cat'], usual);
      expect([await asking.ended(), asking.stderr]).toEqual([0, '']);
      expect(service.requests).toMatchObject([{ path: '/embed_text', body: { text: 'a cat', model: 'siglip' } }]);
    } finally {
      await service.close();
    }
    const alone = search(server.url, ['a cat'], usual);
    expect(await alone.ended()).toBe(0);
    expect(alone.stderr).toBe(
      'No embed service at http://127.0.0.1:8001/embed_text (PROCESSING_TEXT_EMBED_URL): the model is loaded here.\n',
    );
    const [there, here] = server.calls.map(({ body }) => (body as { embedding: readonly number[] }).embedding);
    expect(there).toEqual(EMBEDDING);
    expect(here).toHaveLength(64);
    expect(here).not.toEqual(EMBEDDING);
  });

  it('sends EMBED_TOKEN to the embed service, and the token of the user to the gallery, each to nobody else', async () => {
    const [server, service] = [await gallery(), await embedService()];
    const env = { PROCESSING_TEXT_EMBED_URL: service.url, EMBED_TOKEN: 'embed-token-42' };
    const command = search(server.url, ['a cat'], env);
    expect(await command.ended()).toBe(0);
    expect(service.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer embed-token-42']);
    expect(JSON.stringify(service.requests)).not.toContain(TOKEN);
    expect(server.calls.map(({ authorization }) => authorization)).toEqual([`Bearer ${TOKEN}`]);
    expect(command.stdout + command.stderr).not.toContain('embed-token-42');
  });

  it('sends no token after a redirect, to whichever server it leads', async () => {
    const other = await embedService();
    const server = await gallery({ answer: (_, reply) => reply.redirect(`${other.url}/api/search/vector`, 307) });
    const moved = await startScriptedServer({ script: { status: 307, headers: { location: other.url } } });
    servers.push(moved);
    for (const [args, env] of [
      [['--text'], {}],
      [[], { PROCESSING_TEXT_EMBED_URL: moved.url, EMBED_TOKEN: 'embed-token-42' }],
    ] as const) {
      const command = search(server.url, ['a cat', ...args], env);
      expect(await command.ended()).toBe(1);
      expect(command.stderr).toContain('redirects are not followed');
      expect(command.stderr).not.toContain('embed-token-42');
    }
    expect(other.requests).toEqual([]);
  });

  it('lists photos that have no address', async () => {
    const found = [
      { photo: { id: 1 }, distance: 0.1 },
      { photo: { id: 2, url: null }, distance: 0.2 },
    ];
    const server = await gallery({ found });
    const [plain, json] = [search(server.url, ['a cat', '--text']), search(server.url, ['a cat', '--text', '--json'])];
    expect([await plain.ended(), plain.stdout]).toEqual([0, '1  1  0.1000  -\n2  2  0.2000  -\n']);
    await json.ended();
    expect(JSON.parse(json.stdout)).toMatchObject([
      { rank: 1, url: null },
      { rank: 2, url: null },
    ]);
  });

  it('says on stderr that nothing was found, with exit 0', async () => {
    const server = await gallery({ found: [] });
    for (const [flags, stdout] of [
      [[], ''],
      [['--json'], '[]\n'],
    ] as const) {
      const command = search(server.url, ['a cat', '--text', ...flags]);
      expect([await command.ended(), command.stdout, command.stderr]).toEqual([0, stdout, 'Nothing found.\n']);
    }
  });

  it('makes addresses links where the terminal has them, and keeps a proxy’s prefix', async () => {
    const server = await gallery({ answer: () => [{ photo: { id: 1, url: '/u/x.jpg' }, distance: 0 }] });
    const service = await embedService();
    const proxied = await startScriptedServer({
      script: { status: 200, body: JSON.stringify([{ photo: { id: 1, url: '/u/x.jpg' }, distance: 0 }]) },
    });
    servers.push(proxied);
    const env = { PROCESSING_TEXT_EMBED_URL: service.url };
    const command = search(server.url, ['a cat'], { ...env, FORCE_HYPERLINK: '1' });
    await command.ended();
    const url = `${server.url}/u/x.jpg`;
    expect(command.stdout).toBe(`1  1  0.0000  \u001b]8;;${url}\u001b\\${url}\u001b]8;;\u001b\\\n`);
    const prefixed = search(`${proxied.url}/gallery/`, ['a cat'], env);
    await prefixed.ended();
    expect(prefixed.stdout).toBe(`1  1  0.0000  ${proxied.url}/gallery/u/x.jpg\n`);
    expect(proxied.requests[0]?.path).toBe('/gallery/api/search/vector');
  });

  it('never lets control characters of the server reach the terminal', async () => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202e\n9  9  0.0000  http://evil\ud800';
    const found = [
      { photo: { id: `1${evil}`, url: `/x${evil}` }, distance: 0 },
      { photo: { id: 2, url: `javascript:alert(1)${evil}` }, distance: 0 },
      { photo: { id: 3, url: 'file:///etc/passwd' }, distance: 0 },
    ];
    const server = await gallery({ found });
    const plain = search(server.url, ['a cat', '--text']);
    const linked = search(server.url, ['a cat', '--text'], { FORCE_HYPERLINK: '1' });
    const json = search(server.url, ['a cat', '--text', '--json']);
    await Promise.all([plain.ended(), linked.ended(), json.ended()]);
    for (const { stdout } of [plain, json]) expect(stdout).not.toMatch(/[^\P{C}\n]/u);
    expect(plain.stdout.split('\n')).toHaveLength(4);
    expect(plain.stdout).toContain('\\u001b]0;owned\\u0007\\u009b31m');
    // What is left are our own links, and only for web addresses.
    const links = [...linked.stdout.matchAll(/\u001b\]8;;([^\u001b]*)\u001b\\/g)].map(([, url]) => url).filter(Boolean);
    expect(links).toHaveLength(1);
    expect(links[0]).toMatch(/^http:\/\/127\.0\.0\.1/);
    expect(linked.stdout.replace(/\u001b\]8;;[^\u001b]*\u001b\\/g, '')).not.toMatch(/[^\P{C}\n]/u);
    const parsed = JSON.parse(json.stdout) as { id: string; url: string }[];
    expect(parsed[0]?.id).toBe(`1${evil}`);
    expect(parsed[2]?.url).toBe('file:///etc/passwd');
    const failed = await gallery({ answer: () => ({ id: 1, status: 'done', error: `no ${evil} ${TOKEN}` }) });
    const refused = search(failed.url, ['a cat', '--text']);
    expect(await refused.ended()).toBe(1);
    expect(refused.stderr).toContain('could not search: no \\u001b]0;owned');
    expect(refused.stderr).not.toMatch(/[^\P{C}\n]/u);
  });
});

describe('clip-runner search --text', () => {
  it('lets the server embed, with the model only where one was asked for', async () => {
    const server = await gallery();
    await search(server.url, ['a cat', '--text']).ended();
    await search(server.url, ['a cat', '--text', '--model', 'x', '--limit', '5']).ended();
    expect(server.calls.map(({ path, body }) => [path, body])).toEqual([
      ['/api/search/text', { query: 'a cat', limit: 10 }],
      ['/api/search/text', { query: 'a cat', limit: 5, model: 'x' }],
    ]);
  });

  it.each([
    ['by its id where the server has that call', true, ['POST /api/search/text', ...by('GET /api/search/text/77', 3)]],
    [
      'by the same request where it has not',
      false,
      ['POST /api/search/text', 'GET /api/search/text/77', ...by('POST /api/search/text', 3)],
    ],
  ])('looks for a pending answer %s', async (_, hasCallById, calls) => {
    const server = await gallery({ pendingTimes: 3, hasCallById, isWrapped: true });
    const command = search(server.url, ['a cat', '--text', '--interval', '20']);
    expect([await command.ended(), command.stderr]).toEqual([0, '']);
    expect(command.stdout.split('\n')).toHaveLength(4);
    expect(server.calls.map(({ method, path }) => `${method} ${path}`)).toEqual(calls);
  });

  it('gives up after the timeout, and says what may be missing', async () => {
    const server = await gallery({ pendingTimes: 1e9 });
    const command = search(server.url, ['a cat', '--text', '--interval', '50', '--timeout', '5000']);
    expect(await command.ended()).toBe(1);
    expect(command.stderr).toContain('still pending');
    expect(command.stderr).toContain('clip-runner texts');
    expect(server.calls.length).toBeGreaterThan(2);
  });
});

describe('exit 1 with one line', () => {
  it.each<[string, SearchServerSettings | undefined, readonly string[], string]>([
    ['a refused token', { accessToken: 'another' }, [], 'HTTP 401: it refused the token; set ACCESS_TOKEN'],
    ['no server', undefined, [], 'API_BASE_URL'],
    ['a server that hangs', { answer: () => new Promise(() => undefined) }, ['--timeout', '500'], '--timeout'],
    ['a 500', { answer: (_, reply) => reply.code(500).send('boom') }, [], 'HTTP 500'],
    ['a redirect', { answer: (_, reply) => reply.redirect('http://127.0.0.1:1/') }, [], 'redirects are not followed'],
    ['HTML', { answer: (_, reply) => reply.type('text/html').send('<html>') }, [], 'expected JSON'],
    ['an object', { answer: () => ({ photos: [] }) }, [], 'unexpected answer'],
    ['null', { answer: (_, reply) => reply.type('application/json').send('null') }, [], 'unexpected answer'],
    ['photos without an id', { found: [{ photo: { url: '/x' }, distance: 0 }] }, [], 'unexpected answer'],
    ['no distance', { found: [{ photo: { id: 1, url: '/x' }, distance: null }] }, [], 'unexpected answer'],
    ['an answer of 20 MB', { answer: () => ({ data: 'x'.repeat(20_000_000) }) }, [], 'at most 16777216 bytes'],
  ])('for %s', async (_, settings, flags, message) => {
    const server = settings === undefined ? undefined : await gallery(settings);
    const url = server?.url ?? 'http://127.0.0.1:1';
    // Every shape by both calls.
    for (const text of [false, true]) {
      const service = await embedService();
      const args = text ? ['--text'] : ['--embed-url', service.url];
      const command = search(url, ['a cat', ...args, ...flags]);
      expect(await command.ended()).toBe(1);
      expect(command.stderr).toMatch(/^clip-runner: .*\n$/);
      expect(command.stderr).toContain(message);
      expect(command.stdout).toBe('');
    }
  });

  it.each([
    ['no vector', { embedding: [] }],
    ['no numbers', { embedding: ['1'] }],
    ['null', null],
  ])('for an embed service that gives %s', async (_, body) => {
    const [server, service] = [await gallery(), await embedService(body)];
    const command = search(server.url, ['a cat'], { PROCESSING_TEXT_EMBED_URL: service.url });
    expect(await command.ended()).toBe(1);
    expect(command.stderr).toContain('expected {"embedding":[numbers]}');
    expect(server.calls).toEqual([]);
  });

  it('for an embed service that is not there, and names its variable', async () => {
    const command = search('http://127.0.0.1:1', ['a cat'], { PROCESSING_TEXT_EMBED_URL: 'http://127.0.0.1:1/e' });
    expect(await command.ended()).toBe(1);
    expect(command.stderr).toContain('PROCESSING_TEXT_EMBED_URL');
  });
});

describe('usage', () => {
  it.each<[string, readonly string[], Readonly<Record<string, string>>, string]>([
    ['no query', [], {}, "missing required argument 'query'"],
    ['a blank query', [' \t '], {}, 'not blank'],
    ['a limit of 0', ['a cat', '--limit', '0'], {}, '--limit must be a whole number from 1 to 1000'],
    ['a negative limit', ['a cat', '--limit=-1'], {}, '--limit'],
    ['a huge limit', ['a cat', '--limit', '1e9'], {}, '--limit'],
    ['a timeout that is none', ['a cat', '--timeout', 'soon'], {}, '--timeout'],
    ['an unknown flag', ['a cat', '--colour'], {}, '--colour'],
    ['no token', ['a cat'], { ACCESS_TOKEN: ' ' }, 'ACCESS_TOKEN must be the token of a user'],
    ['a token of two lines', ['a cat'], { ACCESS_TOKEN: `${TOKEN}\nx: y` }, 'other characters'],
    ['a model that is not there', ['a cat', '--model', 'x'], {}, 'The labels are: siglip, other'],
    ['a server address that is none', ['a cat'], { API_BASE_URL: 'ftp://x' }, 'API_BASE_URL'],
    ['a service address that is none', ['a cat', '--embed-url', 'x'], {}, 'PROCESSING_TEXT_EMBED_URL'],
  ])('exits with 2 for %s', async (_, args, env, message) => {
    const command = search('http://127.0.0.1:1', args, env);
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain(message);
    expect(command.stdout).toBe('');
  });

  it('ends at once with Ctrl-C', async () => {
    const server = await gallery({ answer: () => new Promise(() => undefined) });
    const command = search(server.url, ['a cat', '--text']);
    await until('the server is asked', () => server.calls.length === 1);
    const at = performance.now();
    expect(await command.kill('SIGINT')).toBe('SIGINT');
    expect(performance.now() - at).toBeLessThan(5000);
  });
});

function by(call: string, times: number): readonly string[] {
  return Array.from({ length: times }, () => call);
}
