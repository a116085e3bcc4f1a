import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlbumBook } from '../../../src/cli/people/album-book.js';
import { makeAlbums, planAlbums, type MadeAlbums } from '../../../src/cli/people/make-albums.js';
import { foundFace, patiently, personOn } from '../../support/people.js';
import { startScriptedServer, type Reply, type ScriptedServer } from '../../support/scripted-server.js';

const OK: Reply = { status: 201, body: '{"data":{"id":"a7"}}' };
const people = [1, 2, 3].map((number) => personOn(number, [foundFace(number * 10)]));

let server: ScriptedServer;
let folder: string;
let file: string;

beforeEach(async () => {
  server = await startScriptedServer({ script: OK });
  folder = await mkdtemp(path.join(tmpdir(), 'albums-'));
  file = path.join(folder, 'below', 'albums.json');
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

interface Making extends MadeAlbums {
  readonly states: readonly string[];
  readonly waits: readonly number[];
}

async function make(timeoutMs = 10_000): Promise<Making> {
  const { patience, waits } = patiently();
  const book = await AlbumBook.open(file, server.url);
  const { url: baseUrl } = server;
  const ask = () => ({ baseUrl, accessToken: 'token', signal: AbortSignal.timeout(timeoutMs) });
  const made = await makeAlbums(planAlbums(people, [], 0.42), {
    ...{ book, ask, patience },
    identity: 'm',
  });
  const kept = await AlbumBook.open(file, server.url);
  return { ...made, waits, states: kept.albums.map(({ name, state, id }) => `${name} ${state} ${id ?? '-'}`) };
}

describe('making albums', () => {
  it('keeps each in the book, with the id that the server gave', async () => {
    const { made, states } = await make();
    expect(made).toHaveLength(3);
    expect(states).toEqual([1, 2, 3].map((number) => `人物簇#${number} made a7`));
    expect(server.requests.map(({ body }) => (body as { photo_ids: unknown }).photo_ids)).toEqual([[10], [20], [30]]);
  });

  it('writes down what it asks for before it asks', async () => {
    let pending = '';
    const after = server
      .until(({ requests }) => requests.length === 1)
      .then(async () => {
        pending = await readFile(file, 'utf8');
      });
    server.script = [{ ...OK, after }, OK];
    await make();
    expect(pending).toContain('"pending"');
  });

  it.each<[string, Reply, readonly string[]]>([
    ['an empty answer', { status: 204 }, ['人物簇#1 made -', '人物簇#2 made a7', '人物簇#3 made a7']],
    ['400', { status: 400 }, ['人物簇#2 made a7', '人物簇#3 made a7']],
    ['403', { status: 403 }, ['人物簇#2 made a7', '人物簇#3 made a7']],
    ['500', { status: 500 }, ['人物簇#2 made a7', '人物簇#3 made a7']],
    ['401', { status: 401 }, []],
    ['504: a proxy has heard nothing', { status: 504 }, ['人物簇#1 pending -']],
    ['a broken connection', { drop: 'late' }, ['人物簇#1 pending -']],
    [
      'an answer that breaks off',
      { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{', then: 'end' },
      ['人物簇#1 pending -'],
    ],
  ])('knows after %s what is made, what is not, and what may be', async (_, first, states) => {
    server.script = [first, OK];
    expect((await make()).states).toEqual(states);
  });

  it('ends where the book can not say that an album is made, and leaves it in doubt', async () => {
    const book = await AlbumBook.open(file, server.url);
    const save = vi.spyOn(book, 'save');
    save.mockImplementation((albums) => {
      if (albums.some(({ state }) => state === 'made')) return Promise.reject(new Error('ENOSPC'));
      return AlbumBook.prototype.save.call(book, albums);
    });
    const ask = () => ({ baseUrl: server.url, accessToken: 'token', signal: AbortSignal.timeout(10_000) });
    const making = makeAlbums(planAlbums(people, [], 0.42), { book, ask, identity: 'm', ...patiently() });
    await expect(making).rejects.toThrow('ENOSPC');
    expect(server.requests).toHaveLength(1);
    const { albums } = await AlbumBook.open(file, server.url);
    expect(albums.map(({ name, state }) => [name, state])).toEqual([['人物簇#1', 'pending']]);
  });

  it.each([
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '7' } }, 7000],
    ['503', { status: 503 }, 500],
  ] as const)('asks again after %s: it was not made', async (_, first, least) => {
    server.script = [first, OK];
    const { made, waits } = await make();
    expect([made.length, waits.length, server.requests.length]).toEqual([3, 1, 4]);
    expect(waits[0]).toBeGreaterThanOrEqual(least);
  });

  it('leaves the rest where the server stays away', async () => {
    server.script = { status: 503 };
    const { refused, left, states } = await make();
    expect([refused[0]?.error.reason, left.length, states]).toEqual(['http_503', 2, []]);
    expect(server.requests).toHaveLength(5);
  });

  it.each<[string, Reply]>([
    ['502', { status: 502 }],
    ['504', { status: 504 }],
    ['500', { status: 500 }],
    ['a broken connection', { drop: 'late' }],
  ])('asks once where the answer is %s: it may be there', async (_, reply) => {
    server.script = [reply, OK];
    expect((await make()).waits).toEqual([]);
  });

  it.each([
    [403, "a photo of the album is not this user's"],
    [401, 'it refused the token; set ACCESS_TOKEN'],
  ])('says after %d what it is about', async (status, hint) => {
    server.script = [{ status }, OK];
    expect((await make()).refused[0]?.error.message).toContain(`HTTP ${status}: ${hint}`);
  });

  it('is in doubt where no answer came in time', async () => {
    server.script = { hang: true };
    const { refused, left, states } = await make(300);
    expect([refused[0]?.error.code, left.length, states]).toEqual(['HTTP_TIMEOUT', 2, ['人物簇#1 pending -']]);
  });

  it('is in no doubt where nobody listens', async () => {
    const { url } = server;
    await server.close();
    const book = await AlbumBook.open(file, url);
    const ask = () => ({ baseUrl: url, accessToken: 'token', signal: AbortSignal.timeout(10_000) });
    const { patience, waits } = patiently();
    const { refused, left } = await makeAlbums(planAlbums(people, [], 0.42), { book, ask, identity: 'm', patience });
    expect([refused.length, left.length, book.albums, waits.length]).toEqual([1, 2, [], 4]);
    server = await startScriptedServer();
  });
});
