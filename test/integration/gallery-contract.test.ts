import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACKENDS, GalleryLab, plainPicture, type LabUser } from '../support/gallery-lab.js';
import { until } from '../support/until.js';

const DIMENSIONS = { embeddingDim: 4, faceDim: 3, model: 'm', faceModel: 'f' } as const;
const box = { x1: 1, y1: 2, x2: 30, y2: 40 };

interface Photo {
  readonly id: number;
  readonly url: string;
  readonly name: string;
  readonly caption: string;
  readonly text: string;
  readonly tasks: readonly { readonly task: string; readonly state: string }[];
}
interface Hit {
  readonly photo: Photo;
  readonly distance: number;
}

describe.each(BACKENDS)('the gallery on %s keeps the contract', (backend) => {
  let lab: GalleryLab;
  let ann: LabUser;
  let bob: LabUser;
  beforeAll(async () => {
    lab = await GalleryLab.open(backend, { ...DIMENSIONS, maxUploadBytes: 100_000 });
    [ann, bob] = [await lab.user('ann'), await lab.user('bob')];
  });
  afterAll(() => lab.close());

  const photo = async (id: number, user = ann): Promise<Photo> => (await user.call(`/api/photos/${id}`)).body as Photo;
  const stateOf = async (id: number, task: string): Promise<string | undefined> =>
    (await photo(id)).tasks.find((state) => state.task === task)?.state;
  const result = (id: number | string, body: unknown): Promise<number> => lab.callback(`/photos/${id}/ml_result`, body);
  const embed = (id: number, embedding: readonly number[], modality = 'image'): Promise<number> =>
    result(id, { model: 'm', modality, embedding, ml_result: { source: 'clip_runner' }, processing_status: 'done' });

  describe('§1: queues', () => {
    it('a photo becomes a job with its id, its user, its path and its tasks, the oldest first', async () => {
      const ids = [await ann.add('one.png'), await ann.add('two.png')];
      await until('both jobs wait', async () => (await lab.queues.depth('photos')).waiting === 2);
      const jobs = await lab.waiting('photos');
      expect(jobs.map((job) => job['photo_id'])).toEqual(ids);
      expect(jobs[0]).toEqual({
        photo_id: ids[0],
        user_id: expect.any(Number) as unknown,
        path: expect.stringMatching(/^\.\/uploads\/original\/[0-9a-f]{32}\.png$/) as unknown,
        tasks: ['clip', 'face', 'thumbnail'],
      });
      expect((await photo(ids[0]!)).url).toBe(String(jobs[0]!['path']).slice(1));
    });

    it('a search without an embedding becomes a job for a text, once', async () => {
      const ask = () => ann.call('/api/search/text', { body: { query: 'a cat', limit: 7 } });
      const first = await ask();
      expect(first.body).toEqual({ id: expect.any(Number) as unknown, status: 'pending' });
      expect((await ask()).body).toEqual(first.body);
      expect(await lab.waiting('texts')).toEqual([
        { type: 'text_embed', request_id: (first.body as { id: number }).id, query: 'a cat', model: 'm', limit: 7 },
      ]);
    });
  });

  describe('§2: callbacks', () => {
    it.each([
      ['the token is wrong', 401, { model: 'm', embedding: [1, 0, 0, 0] }, 'not-the-token'],
      ['there is no token', 401, { model: 'm', embedding: [1, 0, 0, 0] }, ''],
      ['the body is no JSON', 400, '{"model":', undefined],
      ['the body is empty of results', 400, { processing_status: 'done' }, undefined],
      ['the embedding is too short', 400, { model: 'm', embedding: [1, 0, 0] }, undefined],
      ['the embedding is too long', 400, { model: 'm', embedding: [1, 0, 0, 0, 0] }, undefined],
      ['the embedding holds texts', 400, { model: 'm', embedding: ['1', '0', '0', '0'] }, undefined],
      ['the embedding is out of range', 400, { model: 'm', embedding: [1e300, 0, 0, 0] }, undefined],
      ['the embedding has no model', 400, { embedding: [1, 0, 0, 0] }, undefined],
      ['the modality is unknown', 400, { model: 'm', modality: 'smell', embedding: [1, 0, 0, 0] }, undefined],
      ['everything is right', 200, { model: 'm', embedding: [1, 0, 0, 0] }, undefined],
    ])('where %s it answers %i', async (_what, status, body, token) => {
      const id = await ann.add();
      expect(await lab.callback(`/photos/${id}/ml_result`, body, token)).toBe(status);
    });

    it('answers 404 for photos and queries that are gone, and for ids that never were', async () => {
      const id = await ann.add();
      expect((await ann.call(`/api/photos/${id}`, { method: 'DELETE' })).status).toBe(204);
      expect(await embed(id, [1, 0, 0, 0])).toBe(404);
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [] })).toBe(404);
      expect(await lab.callback('/text_queries/2147483647', { embedding: [1, 0, 0, 0] })).toBe(404);
      for (const odd of ['0', '-1', '1.5', 'x', '99999999999'])
        expect([400, 404]).toContain(await result(odd, { ml_result: {} }));
    });

    it('keeps one embedding for each photo, model and modality, the last one', async () => {
      const id = await ann.add();
      for (const embedding of [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
      ])
        expect(await embed(id, embedding)).toBe(200);
      expect(await embed(id, [0, 0, 1, 0], 'caption')).toBe(200);
      const rows = await lab.database.query(
        'SELECT modality, embedding::text AS embedding FROM photo_embeddings WHERE photo_id = $1 ORDER BY modality',
        [id],
      );
      expect(rows).toEqual([
        { modality: 'caption', embedding: '[0,0,1,0]' },
        { modality: 'image', embedding: '[0,1,0,0]' },
      ]);
      expect([await stateOf(id, 'clip'), await stateOf(id, 'caption')]).toEqual(['done', 'done']);
    });

    it('merges results key by key, and takes texts in photos', async () => {
      const id = await ann.add();
      await result(id, { model: 'm', modality: 'caption', embedding: [1, 0, 0, 0], ml_result: { caption: 'a cat' } });
      expect(
        await result(id, { ml_result: { ocr_text: 'EXIT\n出口', ocr: { items: [] } }, processing_status: 'done' }),
      ).toBe(200);
      expect(await photo(id)).toMatchObject({ caption: 'a cat', text: 'EXIT\n出口' });
      expect(await stateOf(id, 'ocr')).toBe('done');
    });

    it('replaces the faces of a model, and an empty list means that there are none', async () => {
      const id = await ann.add();
      const face = (embedding: readonly number[], model = 'f') => ({ embedding, model, bbox: box });
      const count = async (): Promise<number> => ((await photo(id)) as Photo & { faces: number }).faces;
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [face([1, 0, 0]), face([0, 1, 0])] })).toBe(200);
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [face([0, 0, 1], 'other')] })).toBe(200);
      expect(await count()).toBe(3);
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [face([1, 0, 0])] })).toBe(200);
      expect(await count()).toBe(2);
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [] })).toBe(200);
      expect(await count()).toBe(1);
      expect(await stateOf(id, 'face')).toBe('done');
      expect(await lab.callback(`/photos/${id}/faces`, { faces: [face([1, 0])] })).toBe(400);
      expect(await lab.callback(`/photos/${id}/faces`, {})).toBe(400);
    });
  });

  describe('§3: the calls of users', () => {
    it('finds the nearest photos of the user by a vector, those of a caption weighted', async () => {
      const carl = await lab.user('carl');
      const [near, far, captioned] = [await carl.add('near'), await carl.add('far'), await carl.add('captioned')];
      await embed(near, [1, 0.1, 0, 0]);
      await embed(far, [0, 1, 0, 0]);
      await embed(captioned, [0, 1, 0, 0]);
      await embed(captioned, [1, 0, 0, 0], 'caption');
      const search = async (more: object): Promise<readonly Hit[]> =>
        (
          await carl.call('/api/search/vector', {
            body: { embedding: [1, 0, 0, 0], model: 'm', modality: 'text', limit: 5, ...more },
          })
        ).body as Hit[];
      const hits = await search({});
      expect(hits.map(({ photo: { id } }) => id)).toEqual([near, captioned, far]);
      expect(hits[0]!.distance).toBeCloseTo(1 - 1 / Math.hypot(1, 0.1), 5);
      expect(hits[1]).toMatchObject({
        distance: expect.closeTo(0.7, 5) as unknown,
        image_distance: expect.closeTo(1, 5) as unknown,
      });
      const byCaption = await search({ image_weight: 0, caption_weight: 1, limit: 1 });
      expect(byCaption).toMatchObject([{ photo: { id: captioned }, distance: expect.closeTo(0, 5) as unknown }]);
      expect(await search({ model: 'another' })).toEqual([]);
      const refused = [{ image_weight: 0, caption_weight: 0 }, { embedding: [1] }, { limit: 0 }];
      for (const more of refused)
        expect((await carl.call('/api/search/vector', { body: { embedding: [1, 0, 0, 0], ...more } })).status).toBe(
          400,
        );
    });

    it('answers a search by words when its embedding has come, to those who wait at once', async () => {
      const dora = await lab.user('dora');
      const id = await dora.add();
      await embed(id, [0, 0, 1, 0]);
      const asked = (await dora.call('/api/search/text', { body: { query: '海滩上的猫' } })).body as { id: number };
      const waiting = dora.call(`/api/search/text/${asked.id}?wait=10000`);
      expect(await lab.callback(`/text_queries/${asked.id}`, { embedding: [0, 0, 1, 0], model: 'm' })).toBe(200);
      expect((await waiting).body).toMatchObject({ id: asked.id, status: 'done', result: [{ photo: { id } }] });
      // The same words again need no runner.
      expect((await dora.call('/api/search/text', { body: { query: ' 海滩上的猫 ' } })).body).toMatchObject({
        status: 'done',
      });
      expect((await dora.call('/api/search/text', { body: { query: ' \n ' } })).status).toBe(400);
      const given = await dora.call('/api/search/text', { body: { query: 'given', embedding: [0, 0, 1, 0] } });
      expect(given.body).toMatchObject({
        status: 'done',
        result: [{ photo: { id }, distance: expect.closeTo(0, 5) as unknown }],
      });
    });

    it('lists the photos of the user, newest first, all of them or by pages', async () => {
      const erin = await lab.user('erin');
      const ids: number[] = [];
      for (const name of ['a', 'b', 'c']) ids.unshift(await erin.add(name));
      const list = async (query = ''): Promise<readonly number[]> =>
        ((await erin.call(`/api/photos${query}`)).body as Photo[]).map(({ id }) => id);
      expect(await list()).toEqual(ids);
      expect(await list('?limit=2&offset=1')).toEqual(ids.slice(1));
      expect(await list(`?limit=5&before=${ids[1]!}`)).toEqual(ids.slice(2));
    });

    it('makes albums of own photos, whose ids may be texts, and of no others', async () => {
      const [own, foreign] = [await ann.add(), await bob.add()];
      const make = (photo_ids: readonly unknown[]) =>
        ann.call('/api/albums', { body: { name: '人物簇#1', description: '2 faces', photo_ids } });
      const made = await make([own, String(own)]);
      expect(made).toMatchObject({ status: 200, body: { name: '人物簇#1', photo_ids: [own] } });
      expect((await make([own, foreign])).status).toBe(403);
      expect((await make(['x'])).status).toBe(400);
      const { id } = made.body as { id: number };
      expect((await ann.call(`/api/albums/${id}`)).body).toMatchObject({ photo_list: [{ id: own }] });
    });
  });

  describe('security', () => {
    it('nobody sees or changes anything of another user', async () => {
      const id = await ann.add('secret.png');
      await embed(id, [1, 0, 0, 0]);
      await lab.callback(`/photos/${id}/faces`, { faces: [{ embedding: [1, 0, 0], model: 'f', bbox: box }] });
      const other = await ann.add();
      await lab.callback(`/photos/${other}/faces`, { faces: [{ embedding: [1, 0, 0], model: 'f', bbox: box }] });
      const people = () => ann.call('/api/people').then(({ body }) => body as { id: number; thumbnail_url: string }[]);
      await until('there is a person', async () => (await people()).length > 0);
      const [person] = await people();
      const { url } = await photo(id);
      const album = (await ann.call('/api/albums', { body: { name: 'x', photo_ids: [id] } })).body as { id: number };
      const query = (await ann.call('/api/search/text', { body: { query: 'q', embedding: [1, 0, 0, 0] } })).body as {
        id: number;
      };
      const own = [
        `/api/photos/${id}`,
        `/api/photos/${id}/similar`,
        url,
        url.replace('original', 'thumbnail'),
        `/api/people/${person!.id}`,
        person!.thumbnail_url,
        `/api/albums/${album.id}`,
        `/api/search/text/${query.id}`,
      ];
      for (const address of own) {
        expect((await ann.call(address)).status, address).toBe(200);
        expect((await bob.call(address)).status, address).toBe(404);
        expect((await lab.call(address)).status, address).toBe(401);
      }
      expect((await bob.call(`/api/people/${person!.id}`, { method: 'PATCH', body: { name: 'x' } })).status).toBe(404);
      expect((await bob.call(`/api/photos/${id}`, { method: 'DELETE' })).status).toBe(404);
      expect((await bob.call(`/api/albums/${album.id}`, { method: 'DELETE' })).status).toBe(404);
      expect((await bob.call('/api/people')).body).toEqual([]);
      const found = (await bob.call('/api/search/vector', { body: { embedding: [1, 0, 0, 0], limit: 1000 } }))
        .body as Hit[];
      expect(found.map((hit) => hit.photo.id)).not.toContain(id);
    });

    it('a token that is forged, of another secret or of no user opens nothing', async () => {
      const [head, , mark] = ann.token.split('.');
      const forged = `${head!}.${Buffer.from(JSON.stringify({ iss: 'clip-runner-gallery', sub: '2' })).toString('base64url')}.${mark!}`;
      const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${ann.token.split('.')[1]!}.`;
      for (const token of [forged, none, 'x', '', GalleryLab.token])
        expect((await lab.call('/api/photos', { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    });

    it('the cookie of a page works for its own page alone', async () => {
      const origin = lab.url;
      const signIn = (headers: Record<string, string>) =>
        lab.call('/api/session', { method: 'POST', headers: { authorization: `Bearer ${ann.token}`, ...headers } });
      expect((await signIn({ origin: 'https://evil.example' })).status).toBe(403);
      const set = (await signIn({ origin })).headers.get('set-cookie')!;
      expect(set).toMatch(/^gallery_session=\S+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
      const cookie = set.split(';')[0]!;
      const make = (headers: Record<string, string>) =>
        lab.call('/api/albums', { body: { name: 'x', photo_ids: [] }, headers: { cookie, ...headers } });
      expect((await make({ origin })).status).toBe(200);
      expect((await make({ origin: 'https://evil.example' })).status).toBe(403);
      expect((await make({ origin: 'null' })).status).toBe(403);
      expect((await make({ origin, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
      expect((await make({})).status).toBe(403);
      expect((await lab.call('/api/photos', { headers: { cookie } })).status).toBe(200);
    });

    it('takes photos only, of a size that was agreed on', async () => {
      expect(
        (await ann.upload(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'x.svg', 'image/svg+xml')).status,
      ).toBe(415);
      expect((await ann.upload(Buffer.from('no picture'))).status).toBe(415);
      expect((await ann.upload(await plainPicture(), 'x', 'text/html')).status).toBe(415);
      expect((await ann.upload(Buffer.alloc(100_001))).status).toBe(413);
      const tiff = await sharp(await plainPicture())
        .tiff()
        .toBuffer();
      expect((await ann.upload(tiff, 'x.tiff', 'image/tiff')).status).toBe(415);
      // Named a PNG, but of the kind that its bytes are.
      const jpeg = await ann.upload(
        await sharp(await plainPicture())
          .jpeg()
          .toBuffer(),
        '../../etc/passwd\u0000\n.png',
      );
      expect(jpeg.body).toMatchObject({
        url: expect.stringMatching(/\.jpg$/) as unknown,
        name: '../../etc/passwd .png',
      });
    });

    it('knows how a turned photo is seen', async () => {
      const turned = await sharp(await plainPicture())
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toBuffer();
      expect((await ann.upload(turned, 'x', 'image/jpeg')).body).toMatchObject({ width: 48, height: 64 });
    });

    it('no address leads to another file', async () => {
      const { url } = await photo(await ann.add());
      const file = url.split('/').at(-1)!;
      for (const address of [
        '..%2f..%2fsecret',
        `%2e%2e%2foriginal%2f${file}`,
        `${file}%00`,
        file.toUpperCase(),
        '.',
        'x',
      ])
        expect([400, 404], address).toContain((await ann.call(`/uploads/original/${address}`)).status);
      for (const address of ['/..%2fserver%2fapp.ts', '/style/..%2f..%2fREADME.md', '/%2e%2e/package.json'])
        expect((await lab.call(address)).status, address).toBe(404);
    });

    it('every answer forbids what the page does not need', async () => {
      for (const address of ['/', '/app.js', '/api/photos', '/none', '/api/internal/photos/1/faces']) {
        const { headers } = await lab.call(address);
        expect(headers.get('content-security-policy'), address).toMatch(/^default-src 'none'; script-src 'self'; /);
        expect(headers.get('x-content-type-options'), address).toBe('nosniff');
      }
    });
  });
});
