import { mkdirSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children.js';
import { MARKER, MARKER_BATCHED } from '../support/marked-picture.js';
import { listed, PeopleGallery, urlOf, type Scenes } from '../support/people-gallery.js';
import type { PeopleServer, PeopleServerSettings } from '../support/people-server.js';
import { until } from '../support/until.js';

const TOKEN = 'eyJ.token-that-nobody-may-see-4711';
/** Ann is on three photos, Bob on two; Cat and Dan were met once. */
const SCENES: Scenes = { 1: ['ann'], 2: ['ann', 'bob'], 3: ['bob'], 4: ['cat'], 5: [], 60: ['ann', 'dan'] };
const IDS = [1, 2, 3, 4, 5, 60];
const ANN = [60, 2, 1];
const BOB = [3, 2];

let gallery: PeopleGallery;

beforeEach(async () => {
  gallery = await PeopleGallery.create();
});
afterEach(async () => {
  expect(await gallery.close()).not.toContain(TOKEN);
});

async function serve(settings: PeopleServerSettings = {}): Promise<PeopleServer> {
  await gallery.draw(SCENES);
  return gallery.serve({ photos: listed(IDS), accessToken: TOKEN, ...settings });
}

const photosOf = ({ albums }: PeopleServer): readonly (readonly unknown[])[] =>
  albums.map(({ photo_ids }) => photo_ids);

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(gallery.path(folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => `${parentPath}/${name}`);
}

describe('clip-runner people', () => {
  it.each<[string, PeopleServerSettings]>([
    ['a list', {}],
    ['a list within "data"', { isWrapped: true }],
    ['pages, by number', { pageSize: 2 }],
    ['pages, by offset', { pageSize: 4, pageBy: 'offset', isWrapped: true }],
  ])('makes an album of each person who was met twice, from %s', async (_, settings) => {
    const server = await serve(settings);
    const { code, facts } = await gallery.run(server);
    expect(code).toBe(0);
    expect(photosOf(server)).toEqual([ANN, BOB]);
    expect(facts.photos).toMatchObject({ listed: 6, done: 6, faces: 7, decoded: 6, missing: 0, failed: 0 });
    expect(facts.made.map(({ id, faces }) => [id, faces])).toEqual([
      [1, 3],
      [2, 2],
    ]);
    // Its place among all clusters, as the Python script counts: the newest photo has two, the next one Cat.
    expect(server.albums[1]).toMatchObject({
      name: '人物簇#4',
      description: expect.stringMatching(/2 .*0\.001/) as unknown,
    });
  });

  it('finds the same people by linkage', async () => {
    const server = await serve();
    expect((await gallery.run(server, ['--method', 'linkage'])).code).toBe(0);
    expect(photosOf(server)).toEqual([ANN, BOB]);
    expect(server.albums.map(({ name }) => name)).toEqual(['人物簇#1', '人物簇#2']);
  });

  it('takes the newest photos only, by number and not by text', async () => {
    const server = await serve();
    const { facts } = await gallery.run(server, ['--max-photos', '5', '--min-faces', '1', '--dry-run']);
    expect(facts.photos).toMatchObject({ listed: 6, done: 5 });
    expect(facts.planned.map(({ photo_ids }) => photo_ids)).toEqual(expect.arrayContaining([[60, 2], [60], [4], BOB]));
    expect(facts.planned).toHaveLength(4);
  });

  it('makes no album in a dry run, and keeps no state', async () => {
    const server = await serve();
    const command = gallery.start(server, ['--dry-run']);
    expect(await command.ended()).toBe(0);
    expect(command.stdout).toMatch(/人物簇#\d\s+3\s+3\s+new: would be made/);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
    await expect(stat(gallery.path('people-albums.json'))).rejects.toThrow('ENOENT');
  });

  it('makes no second album of the same people', async () => {
    const server = await serve();
    expect((await gallery.run(server)).code).toBe(0);
    const again = gallery.start(server);
    expect(await again.ended()).toBe(0);
    expect(again.stdout).toMatch(/人物簇#4\s+2\s+2\s+there already, as it was/);
    expect(server.albums).toHaveLength(2);
    expect((await stat(gallery.path('people-albums.json'))).mode & 0o077).toBe(0);
  });

  it('says what changed about the albums that there are, and makes those of new people', async () => {
    const server = await serve();
    await gallery.run(server);
    await gallery.draw({ 61: ['cat', 'ann'], 62: ['dan'], 3: ['cat'] });
    server.photos = listed([...IDS, 61, 62]);
    const { code, facts } = await gallery.run(server);
    expect(code).toBe(0);
    expect(facts.there).toEqual([
      expect.objectContaining({ id: 1, groups: 1, missing: ['61'], surplus: [] }),
      // Bob is now on one photo alone, too few for an album.
      expect.objectContaining({ id: 2, groups: 0, missing: [] }),
    ]);
    expect(photosOf(server).slice(2)).toEqual(
      expect.arrayContaining([
        [61, 4, 3],
        [62, 60],
      ]),
    );
    expect(server.albums).toHaveLength(4);
    expect(new Set(server.albums.map(({ name }) => name)).size, 'names').toBe(4);
  });

  it('knows its albums after the settings have changed', async () => {
    const server = await serve();
    await gallery.run(server);
    const { facts } = await gallery.run(server, ['--face-threshold', '0.4']);
    expect([facts.made, facts.there.map(({ groups }) => groups)]).toEqual([[], [1, 1]]);
    expect(server.albums).toHaveLength(2);
  });

  it('refuses the state of another server before any work', async () => {
    const [server, other] = [await serve(), await serve()];
    await gallery.run(server);
    const { code, stderr } = await gallery.run(other);
    expect([code, other.requests.length]).toEqual([2, 0]);
    expect(stderr).toContain(`it is of the server ${server.url}`);
    await writeFile(gallery.path('people-albums.json'), '{"version":1,"albums":[{}]}');
    expect(await gallery.run(server)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('this version can read') as unknown,
    });
  });
});

describe('clip-runner people, who may not', () => {
  it.each([
    ['401', { ACCESS_TOKEN: 'wrong' }, {}],
    ['403', {}, { respond: () => ({ status: 403 }) }],
  ])('ends at %s before any model is looked for', async (status, env, settings) => {
    const server = await serve(settings);
    const { code, stderr } = await gallery.run(server, [], { FACE_MODEL_NAME: './nowhere', ...env });
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining(`HTTP ${status}: it refused the token; set ACCESS_TOKEN`),
    ]);
    expect(server.requests).toHaveLength(1);
  });

  it.each<[string, Record<string, string>, readonly string[], RegExp]>([
    ['no token', { ACCESS_TOKEN: '' }, [], /ACCESS_TOKEN must be the token of a user/],
    [
      'a folder that is not there',
      { PROJECT_ROOT: '/no/such/folder' },
      [],
      /Expected a folder of photos at \/no\/such\/folder/,
    ],
    ['no face model', { FACE_MODEL_NAME: '' }, [], /people needs a face model/],
    [
      'a threshold that is none',
      { FACE_DISTANCE_THRESHOLD: '3' },
      [],
      /FACE_DISTANCE_THRESHOLD must be a number from 0 to 2/,
    ],
    ['a method that is none', {}, ['--method', 'guess'], /greedy, linkage/],
    [
      'a report that is a folder',
      {},
      ['--report', 'uploads'],
      /--report must be a file .* got uploads: it is a folder/,
    ],
    ['a report below a file', {}, ['--report', `.${urlOf(1)}/people.html`], /--report must be .*ENOTDIR/],
    ['a report where nothing can be written', {}, ['--report', '/proc/people.html', '--dry-run'], /--report must be/],
    ['a state that is a folder', {}, ['--state', 'uploads'], /The state uploads can't be used/],
    [
      'a state where nothing can be written',
      {},
      ['--state', '/proc/people/albums.json'],
      /--state must be .* in \/proc/,
    ],
  ])('ends with exit code 2 before any request: %s', async (_, env, args, message) => {
    const server = await serve();
    const { code, stderr } = await gallery.run(server, args, env);
    expect([code, server.requests.length]).toEqual([2, 0]);
    expect(stderr).toMatch(message);
    expect(await filesBelow('.'), 'nothing is left').toHaveLength(IDS.length);
  });

  it('makes the albums also where the report fails later', async () => {
    const server = await serve({
      respond: () => {
        mkdirSync(gallery.path('people.html'), { recursive: true });
        return undefined;
      },
    });
    const { code, log } = await gallery.run(server, ['--report', 'people.html']);
    expect([code, photosOf(server)]).toEqual([0, [ANN, BOB]]);
    expect(log.filter(({ msg }) => msg.includes("the page can't be written (--report)"))).toHaveLength(1);
  });

  it('ends with exit code 2 where the model is not there', async () => {
    const server = await serve();
    expect(await gallery.run(server, [], { FACE_MODEL_NAME: './nowhere' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('There is no face model in ./nowhere') as unknown,
    });
  });
});

describe('clip-runner people, a model that can not be loaded', () => {
  it('ends it with the fault of the model, and blames no photo', async () => {
    const server = await serve();
    await cp(MARKER, gallery.path('broken'), { recursive: true });
    // A whole graph, but none of a detector: that is seen when it is loaded.
    await cp(gallery.path('broken', 'recognition'), gallery.path('broken', 'detection'), { recursive: true });
    const { code, stderr, facts } = await gallery.run(server, [], { FACE_MODEL_NAME: './broken' });
    expect([code, facts, server.albums.length]).toEqual([2, undefined, 0]);
    expect(stderr).toContain('detection/model.onnx');
    expect(stderr).not.toMatch(/failed: photo|No photo could be read/);
  });
});

describe('clip-runner people, photos that fail', () => {
  it('names missing and broken ones at the end, with the path tried, and makes the albums of the others', async () => {
    const server = await serve();
    await writeFile(gallery.path(urlOf(80)), 'no picture');
    await symlink('/etc/passwd', gallery.path(urlOf(71)));
    server.photos = [
      ...listed([...IDS, 80, 71, 72]),
      { id: 73, url: '/../../etc/passwd' },
      { id: 74, url: 'http://127.0.0.1/x.png' },
      { id: 75 },
      { id: 2 ** 60, url: '/x.png' },
    ];
    const { code, stderr, facts } = await gallery.run(server);
    expect(code).toBe(0);
    expect(photosOf(server)).toEqual([ANN, BOB]);
    expect(facts.photos).toMatchObject({ listed: 11, done: 11, missing: 1, failed: 4 });
    expect(facts.problems.map(({ id, code: why }) => [id, why])).toEqual([
      [80, 'IMAGE_UNSUPPORTED'],
      [74, 'PATH_INVALID'],
      [73, 'PATH_OUTSIDE_ROOT'],
      [72, 'FILE_NOT_FOUND'],
      [71, 'PATH_OUTSIDE_ROOT'],
    ]);
    expect(stderr).toContain(`missing: photo 72: ${gallery.path(urlOf(72))}`);
    expect(stderr).toContain(`failed: photo 80: ${gallery.path(urlOf(80))}: IMAGE_UNSUPPORTED`);
    expect(facts.unusable).toEqual({
      'it has no url': 1,
      'its id is a number beyond 2^53; such ids must be texts': 1,
    });
  });

  it('says of none that it is no longer of a person', async () => {
    const server = await serve();
    const everybody = ['--min-faces', '1'];
    await gallery.run(server, everybody);
    await rm(gallery.path(urlOf(1)));
    await writeFile(gallery.path(urlOf(3)), 'no picture');
    const { facts } = await gallery.run(server, everybody);
    expect(facts.photos).toMatchObject({ missing: 1, failed: 1 });
    expect(facts.there.map(({ surplus }) => surplus)).toEqual([[], [], [], []]);
  });

  it('fails where no photo at all could be read, and says which folder to look at', async () => {
    const server = await serve();
    await mkdir(gallery.path('empty'));
    const { code, stderr } = await gallery.run(server, [], { PROJECT_ROOT: gallery.path('empty') });
    expect(code).toBe(1);
    expect(stderr).toContain('No photo could be read: check PROJECT_ROOT');
    expect(server.albums).toEqual([]);
  });

  it('takes ids that are texts, also beyond 2^53, and sends them back as texts', async () => {
    const [older, newer] = ['9007199254740993', '9007199254740994'] as const;
    await gallery.draw({ 1: ['ann'], 2: ['ann'] });
    await cp(gallery.path(urlOf(1)), gallery.path(urlOf(older)));
    await cp(gallery.path(urlOf(2)), gallery.path(urlOf(newer)));
    const server = await gallery.serve({ photos: listed([older, newer, '7']), accessToken: TOKEN });
    expect((await gallery.run(server)).code).toBe(0);
    expect(photosOf(server)).toEqual([[newer, older]]);
  });
});

describe('clip-runner people, a crash of native code', () => {
  it('costs a child process, and no photo', async () => {
    const ids = Array.from({ length: 120 }, (_, id) => id + 1);
    await gallery.draw(Object.fromEntries(ids.map((id) => [id, id % 2 ? ['ann'] : ['bob']])));
    const server = await gallery.serve({ photos: listed(ids), accessToken: TOKEN });
    const command = gallery.start(server, ['--cache', 'cache', '--json']);
    const kept = () => filesBelow('cache').catch(() => []);
    await until('some faces are kept', async () => (await kept()).length > 3, 60_000);
    const [child] = childrenOf(command.child.pid ?? 0);
    process.kill(child!, 'SIGKILL');
    expect(await command.ended()).toBe(0);
    expect(JSON.parse(command.stdout)).toMatchObject({ photos: { done: 120, faces: 120, failed: 0 } });
    expect(server.albums).toHaveLength(2);
  });
});

describe('clip-runner people --cache', () => {
  it('looks at no photo twice, and loads no model then', async () => {
    const server = await serve();
    const first = await gallery.run(server, ['--cache', 'cache', '--dry-run']);
    expect(first.facts.photos).toMatchObject({ cached: 0, decoded: 6 });
    const second = await gallery.run(server, ['--cache', 'cache', '--dry-run']);
    expect(second.facts.photos).toMatchObject({ cached: 6, decoded: 0, faces: 7 });
    expect(second.facts.planned).toEqual(first.facts.planned);
    const models = ({ log }: typeof first): number => log.filter(({ msg }) => msg === 'model ready').length;
    expect([models(first), models(second)]).toEqual([1, 0]);
    for (const file of await filesBelow('cache')) expect((await stat(file)).mode & 0o077, file).toBe(0);
  });

  it('computes again what is damaged, what has changed, and what is of another model', async () => {
    const server = await serve();
    const decoded = async (env: Record<string, string> = {}): Promise<number> =>
      (await gallery.run(server, ['--cache', 'cache', '--dry-run'], env)).facts.photos.decoded;
    expect(await decoded()).toBe(6);
    const files = await filesBelow('cache');
    const [cut = '', flipped = '', emptied = ''] = files;
    await writeFile(cut, (await readFile(cut)).subarray(0, -5));
    const bytes = await readFile(flipped);
    bytes[bytes.length - 3]! ^= 1;
    await writeFile(flipped, bytes);
    await writeFile(emptied, '');
    expect(await decoded(), 'damaged').toBe(3);
    await gallery.draw({ 5: ['cat', 'dan'] });
    expect(await decoded(), 'a new picture under the same name').toBe(1);
    expect(await decoded({ FACE_NMS: '0.3' }), 'other settings').toBe(6);
    expect(await decoded({ FACE_DECODE: 'reduced' }), 'another decoding').toBe(6);
    expect(await decoded({ FACE_DECODE: 'reduced', CLIP_RESAMPLE: 'exact' }), 'the same after all').toBe(0);
    expect(await decoded({ FACE_MODEL_NAME: MARKER_BATCHED }), 'another model').toBe(6);
    expect(await decoded(), 'as before').toBe(0);
  });

  it('goes on where the cache can not be written, and says so once', async () => {
    const server = await serve();
    await writeFile(gallery.path('cache'), 'a file');
    const { code, log, facts } = await gallery.run(server, ['--cache', 'cache']);
    expect([code, facts.photos.faces]).toEqual([0, 7]);
    expect(log.filter(({ msg }) => msg.includes("can't be kept"))).toHaveLength(1);
  });

  it('keeps what it has when it is told to stop, makes no album, and goes on from there', async () => {
    await gallery.draw(
      Object.fromEntries(Array.from({ length: 120 }, (_, id) => [id + 1, id % 2 ? ['ann'] : ['bob']])),
    );
    const ids = Array.from({ length: 120 }, (_, id) => id + 1);
    const server = await gallery.serve({ photos: listed(ids), accessToken: TOKEN });
    const command = gallery.start(server, ['--cache', 'cache']);
    const kept = async (): Promise<number> =>
      (await filesBelow('cache').catch(() => [])).filter((file) => file.endsWith('.json')).length;
    await until('some faces are kept', async () => (await kept()) > 3, 60_000);
    expect(await command.kill('SIGTERM')).toBe(1);
    expect(command.stderr).toContain('Stopped by SIGTERM before it was done.');
    expect(server.albums).toEqual([]);
    const before = await kept();
    expect(before).toBeLessThan(120);
    const { code, facts } = await gallery.run(server, ['--cache', 'cache']);
    expect(code).toBe(0);
    expect(facts.photos.cached).toBeGreaterThan(0);
    expect(facts.photos.cached + facts.photos.decoded).toBe(120);
    expect((await filesBelow('cache')).filter((file) => !file.endsWith('.json'))).toEqual([]);
  });
});

describe('clip-runner people, a server that fails while albums are made', () => {
  const isAlbum = ({ method }: { readonly method: string }): boolean => method === 'POST';

  it('goes on in the next run where the server died in this one', async () => {
    const server = await serve({
      respond: (request, self) => (isAlbum(request) && self.albums.length === 1 ? { drop: 'early' } : undefined),
    });
    const { code, facts } = await gallery.run(server);
    expect(code).toBe(1);
    expect([facts.made.length, facts.refused.length]).toEqual([1, 1]);
    server.respond = () => undefined;
    const next = await gallery.run(server);
    expect([next.code, next.facts.made.length, next.facts.doubtful.length]).toEqual([0, 1, 1]);
    expect(next.stderr).toContain('人物簇#4 may be in the gallery twice');
    expect(photosOf(server)).toEqual([ANN, BOB]);
    expect((await gallery.run(server)).facts).toMatchObject({ made: [], doubtful: [] });
  });

  it('leaves the rest to the next run where the server is gone, and makes exactly those then', async () => {
    const server = await serve();
    const { port } = server;
    server.respond = (request, self) => {
      if (!isAlbum(request) || self.albums.length === 0) return undefined;
      void self.close();
      return { drop: 'early' };
    };
    const everybody = ['--min-faces', '1'];
    const { code, facts } = await gallery.run(server, everybody);
    expect([code, facts.made.length, facts.refused.length, facts.left.length]).toEqual([1, 1, 1, 2]);
    const later = await gallery.serve({ photos: listed(IDS), accessToken: TOKEN, port });
    const next = await gallery.run(later, everybody);
    expect([next.code, next.facts.there.length]).toEqual([0, 1]);
    const all = [...photosOf(server), ...photosOf(later)];
    expect(all).toHaveLength(4);
    expect(all).toEqual(expect.arrayContaining([ANN, BOB, [60], [4]]));
    expect((await gallery.run(later, everybody)).facts).toMatchObject({ made: [], left: [], refused: [] });
  });

  it('makes the others where one is refused', async () => {
    const server = await serve({ foreign: [60] });
    const { code, facts } = await gallery.run(server);
    expect(code).toBe(1);
    expect(facts.refused).toMatchObject([{ photo_ids: ANN, code: 'HTTP_UNAUTHORIZED' }]);
    expect(photosOf(server)).toEqual([BOB]);
    expect((await gallery.run(server)).facts).toMatchObject({ made: [], refused: [{ photo_ids: ANN }], doubtful: [] });
  });

  it('waits for a server that is busy, and says so', async () => {
    const busy = { status: 429, headers: { 'retry-after': '1' } };
    const seen = new Set<string>();
    const server = await serve({
      respond: ({ method, path }) => (seen.size < seen.add(`${method} ${path}`).size ? busy : undefined),
    });
    const { code, log } = await gallery.run(server);
    expect([code, photosOf(server)]).toEqual([0, [ANN, BOB]]);
    expect(log.filter(({ msg }) => msg.startsWith('will be tried again')).length).toBeGreaterThan(1);
  });

  it('waits no longer when it is told to stop', async () => {
    const server = await serve({ respond: () => ({ status: 503, headers: { 'retry-after': '3600' } }) });
    const command = gallery.start(server);
    await until('it waits', () => command.log.some(({ msg }) => msg.startsWith('will be tried again')));
    expect(await command.kill('SIGINT')).toBe(1);
    expect(command.stderr).toContain('Stopped by SIGINT before it was done.');
    expect(server.requests).toHaveLength(1);
  });

  it('makes the album again that it was killed at', async () => {
    const server = await serve({
      respond: (request, self) => (isAlbum(request) && self.albums.length === 1 ? { hang: true } : undefined),
    });
    const command = gallery.start(server);
    await server.until(({ requests }) => requests.filter(isAlbum).length === 2);
    await command.kill('SIGKILL');
    server.respond = () => undefined;
    expect((await gallery.run(server)).facts).toMatchObject({ made: [{ photo_ids: BOB }], there: [{ groups: 1 }] });
    expect(photosOf(server)).toEqual([ANN, BOB]);
  });

  it('makes the album in hand and no other when it is told to stop', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const server = await serve();
    server.respond = (request, self) => {
      if (!isAlbum(request)) return undefined;
      return { ...(self.answer(request) as { status: number; body: string }), after: gate };
    };
    const command = gallery.start(server);
    await server.until(({ requests }) => requests.some(isAlbum));
    command.child.kill('SIGINT');
    // The signal is there before the answer: the process has no other work.
    await until('the signal has come', async () => (await signalsOf(command.child.pid!)) === 0);
    open();
    expect(await command.ended()).toBe(1);
    expect(photosOf(server)).toEqual([ANN]);
    server.respond = () => undefined;
    expect((await gallery.run(server)).facts).toMatchObject({ made: [{ photo_ids: BOB }], doubtful: [] });
  });
});

/** Signals that wait to be taken by a process. */
async function signalsOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, pending = ''] = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return Number.parseInt(pending, 16);
}

describe('clip-runner people, the licence', () => {
  it('is told once at the start where it allows no commercial use, also when no model is loaded', async () => {
    await cp(MARKER_BATCHED, gallery.path('.insightface', 'models', 'buffalo_l'), { recursive: true });
    const server = await serve();
    for (const run of ['first', 'cached']) {
      const { code, log } = await gallery.run(server, ['--cache', 'cache'], { FACE_MODEL_NAME: '' });
      expect(code).toBe(0);
      expect(
        log.filter(({ msg }) => msg.includes('commercial use')),
        run,
      ).toHaveLength(1);
      expect(log.findIndex(({ msg }) => msg.includes('commercial use'))).toBe(1);
    }
    const free = await gallery.run(server, [], { FACE_MODEL_NAME: MARKER });
    expect(free.log.filter(({ msg }) => msg.includes('commercial use'))).toEqual([]);
  });
});
