import { afterEach, describe, expect, it } from 'vitest';
import { listPhotos, type PhotoList } from '../../../src/cli/people/gallery-photos.js';
import { patiently } from '../../support/people.js';
import { startScriptedServer, type Reply, type ScriptedServer } from '../../support/scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function list(
  script: (path: string, index: number) => unknown,
): Promise<PhotoList & { readonly asked: readonly string[]; readonly waits: readonly number[] }> {
  const server = await startScriptedServer({
    script: ({ path }, index) => {
      const answer = script(path, index);
      return isReply(answer) ? answer : { status: 200, body: JSON.stringify(answer) };
    },
  });
  servers.push(server);
  const ask = () => ({ baseUrl: `${server.url}/base`, accessToken: 'token', signal: AbortSignal.timeout(10_000) });
  const { patience, waits } = patiently();
  const found = await listPhotos(ask, patience);
  return { ...found, asked: server.requests.map(({ path }) => path), waits };
}

const isReply = (answer: unknown): answer is Reply =>
  typeof answer === 'object' && answer !== null && ('status' in answer || 'drop' in answer);
const photos = (...ids: readonly unknown[]): object[] => ids.map((id) => ({ id, url: `/u/${String(id)}.jpg` }));

describe('the list of photos', () => {
  it('is asked for as it stands first, then by page, until nothing new comes', async () => {
    const { photos: found, asked } = await list((_, index) =>
      index === 0 ? photos(3, 1) : photos(2, 3).slice(index - 1),
    );
    expect(found.map(({ key }) => key)).toEqual(['3', '2', '1']);
    expect(asked).toEqual(['/base/api/photos', '/base/api/photos?page=2&offset=2', '/base/api/photos?page=3&offset=4']);
  });

  it.each([
    ['the same again', (): unknown => photos(1)],
    ['nothing', (): unknown => ({ data: [] })],
    ['null', (): unknown => null],
    ['null within "data"', (): unknown => ({ data: null })],
    ['404', (): unknown => ({ status: 404 })],
    ['400', (): unknown => ({ status: 400 })],
  ])('ends where a further page brings %s', async (_, second) => {
    const { photos: found, asked } = await list((__, index) => (index === 0 ? { data: photos(1) } : second()));
    expect([found.length, asked.length]).toEqual([1, 2]);
  });

  it('fails where a further page fails for other reasons: a part is not the whole', async () => {
    const failing = list((_, index) => (index === 0 ? photos(1) : { status: 500 }));
    await expect(failing).rejects.toMatchObject({ code: 'HTTP_SERVER_ERROR' });
  });

  it.each([
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '7' } }, 7000, 7000],
    ['502', { status: 502 }, 500, 1000],
    ['503 with Retry-After', { status: 503, headers: { 'retry-after': '30' } }, 30_000, 30_000],
    ['504', { status: 504 }, 500, 1000],
    ['500', { status: 500 }, 500, 1000],
    ['a broken connection: at once', { drop: 'late' }, 0, 0],
  ] as const)('is asked for again after %s', async (_, failure, least, most) => {
    const { photos: found, waits } = await list((__, index) => (index === 1 ? failure : photos(index === 0 ? 1 : 2)));
    expect([found.length, waits.length]).toEqual([2, 1]);
    expect(waits[0]).toBeGreaterThanOrEqual(least);
    expect(waits[0]).toBeLessThanOrEqual(most);
  });

  it.each([{}, { data: 'x' }, { data: null }, null, 'text', 7])(
    'is refused where it is no list: %j',
    async (answer) => {
      await expect(list(() => answer)).rejects.toThrow('expected a list of {"id","url"}');
    },
  );

  it('is sorted by number, also where ids are texts, and keeps them as they came', async () => {
    const { photos: found } = await list(() => photos('9', 10, '9007199254740993', '007', 2));
    expect(found.map(({ id }) => id)).toEqual(['9007199254740993', 10, '9', '007', 2]);
    expect(found.map(({ key }) => key)).toEqual(['9007199254740993', '10', '9', '7', '2']);
  });

  it('passes over entries that name no photo, and counts them once', async () => {
    const odd = [
      null,
      'x',
      {},
      { id: 1.5, url: '/a' },
      { id: -1, url: '/a' },
      { id: 2 ** 53, url: '/a' },
      { id: 'a1', url: '/a' },
    ];
    const { photos: found, unusable } = await list(() => [...odd, { id: 5, url: '' }, ...photos(6)]);
    expect(found.map(({ id }) => id)).toEqual([6]);
    expect(Object.fromEntries(unusable)).toEqual({
      'its id is no whole number': 5,
      'its id is a number beyond 2^53; such ids must be texts': 2,
      'it has no url': 1,
    });
  });
});
