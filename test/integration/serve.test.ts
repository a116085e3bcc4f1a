import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner } from '../../dist/index.js';
import { CommandProcess } from '../support/command.js';
import { EmbedService, vectorOf } from '../support/embed-service.js';
import { cosine, goldenEmbedding, IMAGES, SIGLIP } from '../support/fixtures.js';
import { startHubServer, type HubServer } from '../support/hub-server.js';
import { writeTextModel } from '../support/text-model.js';
import { readTinyModel } from '../support/tiny-model.js';

const REPOSITORY = 'Xenova/siglip-tiny';
const JSON_TYPE = { 'content-type': 'application/json' };

let home: string;
let hub: HubServer;
let service: EmbedService;
let runner: Runner;

// Two models: `tiny` of a hub, `other` of a folder; and the same two in this process, to compare with.
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'clip-runner-serve-'));
  hub = await startHubServer();
  hub.put(REPOSITORY, readTinyModel());
  const other = await writeTextModel(path.join(home, 'other'));
  const models = `tiny=${REPOSITORY},other=${other}`;
  service = await new EmbedService({ CLIP_MODELS: models, HF_ENDPOINT: hub.url, HF_HOME: home }).ready();
  const inProcess = [
    { label: 'tiny', name: SIGLIP },
    { label: 'other', name: other },
  ];
  runner = createRunner({ models: inProcess, tasks: ['text'], device: 'cpu' });
  await runner.start();
});
afterAll(async () => {
  await runner.stop();
  await service.command.kill('SIGKILL');
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

async function expectVector(body: unknown, text: string, model: 'tiny' | 'other' = 'tiny'): Promise<void> {
  const answer = await service.post('/embed_text', body);
  expect(answer.status).toBe(200);
  const [own] = await runner.embedTexts([text], { model });
  expect(cosine(vectorOf(answer), own!)).toBeGreaterThan(0.999999);
}

describe('POST /embed_text', () => {
  it('answers nothing but the embedding, whose numbers are exactly those of the model', async () => {
    const answer = await service.post('/embed_text', { text: 'a cat on the beach' });
    expect(Object.keys(answer.body)).toEqual(['embedding']);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const [own] = await runner.embedTexts(['a cat on the beach']);
    expect(Array.from(vectorOf(answer))).toEqual(Array.from(own!));
  });

  it('takes the label and the hub name for the same model, and null or nothing for the first', async () => {
    for (const model of ['tiny', REPOSITORY, null, undefined]) await expectVector({ text: 'a dog', model }, 'a dog');
    await expectVector({ text: 'a dog', model: 'other' }, 'a dog', 'other');
    const [tiny, other] = await Promise.all([
      runner.embedTexts(['a dog']),
      runner.embedTexts(['a dog'], { model: 'other' }),
    ]);
    expect(cosine(tiny[0]!, other[0]!)).toBeLessThan(0.9);
  });

  it.each([
    ['a path', '../siglip-tiny'],
    ['another case', 'Tiny'],
    ['an empty name', ''],
    ['part of a name', 'siglip-tiny'],
    ['ten thousand letters', 'm'.repeat(10_000)],
    ['a prototype', '__proto__'],
  ])('answers 404 and the names that it has where %s is asked for', async (_, model) => {
    const { status, body } = await service.post('/embed_text', { text: 'a dog', model });
    expect(status).toBe(404);
    expect(body).toEqual({ detail: `There is no such model. The models are: tiny, ${REPOSITORY}, other.` });
  });

  it.each(['', ' ', '\n\t\r', '\u3000\u00a0', '\ufeff', '\u0085\u001c'])(
    'answers 400 for the blank text %j',
    async (text) => {
      const { status, body } = await service.post('/embed_text', { text });
      expect({ status, body }).toEqual({ status: 400, body: { detail: 'text is required' } });
    },
  );

  it.each([
    ['emoji, joined ones and flags', '👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 a family'],
    ['right-to-left writing, combining marks, zalgo', 'قطة على الشاطئ Z̸̡̢̛̞a̷̧͎l̸g̴o̵'],
    ['NUL and control characters', 'a\u0000 c\u0007at\u001b[31m'],
    ['lone surrogates', 'a \ud800 cat \udfff'],
    ['only punctuation', '?!… — »«'],
    ['a script that no vocabulary has', '𒀀𒁀𒂀'],
    ['special tokens', '<|endoftext|> a cat <|startoftext|> </s>'],
    ['upper case and odd blanks', '  A   CAT\u3000ON\tTHE beach '],
    ['what is longer than the model reads', 'a story of a lantern by the river. '.repeat(200)],
  ])('embeds %s as embedTexts() does', async (_, text) => {
    await expectVector({ text }, text);
    await expectVector({ text, model: 'other' }, text, 'other');
  });

  it('security 7: passes over further fields, prototypes too', async () => {
    const body = '{"text":"a cat","__proto__":{"text":5},"constructor":{"prototype":{"model":"x"}},"limit":-1e400}';
    const answer = await service.send('/embed_text', { method: 'POST', headers: JSON_TYPE, body });
    expect(answer.status).toBe(200);
  });

  it('goes on answering others while texts of half a million bytes are read', async () => {
    // A small one waits for no more than one of each of these clients, who have several.
    const huge = Promise.all(
      ['a', '!', '猫', '\u0301', '\u1100\u1161', '👩\u200d', ' \u3000\u00a0a'].map(async (characters) => {
        const text = characters.repeat(500_000 / Buffer.byteLength(characters));
        const answers = [];
        for (let round = 0; round < 4; round += 1) answers.push(await service.post('/embed_text', { text }));
        return answers;
      }),
    ).then((answers) => answers.flat());
    const isOver = { now: false };
    void huge.then(() => (isOver.now = true));
    const statuses = [];
    while (!isOver.now) statuses.push((await service.post('/embed_text', { text: 'a cat' })).status);
    expect(new Set((await huge).map(({ status }) => status))).toEqual(new Set([200]));
    expect(statuses.length).toBeGreaterThan(1);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const [own] = await runner.embedTexts(['a'.repeat(500_000)]);
    expect(cosine(vectorOf((await huge)[0]!), own!)).toBeGreaterThan(0.999999);
  });

  it('gives each of 64 clients its own vectors, and embeds them in common batches', async () => {
    const texts = Array.from(
      { length: 64 },
      (_, index) => `photo ${index} of a ${['cat', 'dog', 'bridge'][index % 3]}`,
    );
    const own = await runner.embedTexts(texts);
    const before = await service.metric('clip_runner_batch_items_count');
    await Promise.all(
      texts.map(async (text, index) => {
        for (let round = 0; round < 5; round += 1) {
          const vector = vectorOf(await service.post('/embed_text', { text }));
          const best = own.map((candidate) => cosine(vector, candidate));
          expect(best.indexOf(Math.max(...best))).toBe(index);
          expect(best[index]).toBeGreaterThan(0.999999);
        }
      }),
    );
    expect((await service.metric('clip_runner_batch_items_count')) - before).toBeLessThan(200);
  });
});

describe('POST /embed_texts', () => {
  it('answers one vector per text, in order', async () => {
    const texts = Array.from({ length: 40 }, (_, index) => `picture number ${index}`);
    const { status, body } = await service.post('/embed_texts', { texts, model: 'tiny' });
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(['embeddings']);
    const own = await runner.embedTexts(texts);
    const vectors = body['embeddings'] as number[][];
    expect(vectors).toHaveLength(40);
    vectors.forEach((vector, index) => expect(cosine(vector, own[index]!)).toBeGreaterThan(0.999999));
    expect((await service.post('/embed_texts', { texts: [] })).body).toEqual({ embeddings: [] });
  });

  it('names the blank text of many, and the limit of a list', async () => {
    const blank = await service.post('/embed_texts', { texts: ['a', 'b', ' '] });
    expect(blank).toMatchObject({ status: 400, body: { detail: 'text is required: texts/2 is blank' } });
    const many = await service.post('/embed_texts', { texts: Array<string>(257).fill('a') });
    expect(many).toMatchObject({ status: 422, body: { detail: 'body/texts must NOT have more than 256 items' } });
  });
});

describe('a request that is not right', () => {
  const post = (body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE): RequestInit => ({
    method: 'POST',
    body,
    headers,
  });

  it.each<[string, string, RequestInit, number, string]>([
    ['no JSON', '/embed_text', post('{"text":'), 400, 'The body is not JSON.'],
    ['nothing', '/embed_text', post(''), 400, 'The body is empty; expected JSON.'],
    ['a number for a text', '/embed_text', post('{"text":5}'), 422, 'body/text must be string'],
    ['null for a text', '/embed_text', post('{"text":null}'), 422, 'body/text must be string'],
    ['no text', '/embed_text', post('{}'), 422, "body must have required property 'text'"],
    ['a list', '/embed_text', post('[]'), 422, 'body must be object'],
    ['null', '/embed_text', post('null'), 422, 'body must be object'],
    ['a number for a model', '/embed_text', post('{"text":"a","model":5}'), 422, 'body/model must be string,null'],
    ['a text for a list', '/embed_texts', post('{"texts":"a"}'), 422, 'body/texts must be array'],
    [
      '200,000 lists in each other',
      '/embed_text',
      post(`{"text":${'['.repeat(2e5)}${']'.repeat(2e5)}}`),
      422,
      'body/text must be string',
    ],
    [
      'another type',
      '/embed_text',
      post('text=a', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'Expected another Content-Type',
    ],
    [
      'no type',
      '/embed_text',
      post(new TextEncoder().encode('{"text":"a"}'), {}),
      415,
      'Expected another Content-Type',
    ],
    [
      'an unknown encoding',
      '/embed_text',
      post('{"text":"a"}', { ...JSON_TYPE, 'content-encoding': 'zstd' }),
      415,
      'Expected a Content-Encoding of',
    ],
    [
      'a text of a million bytes',
      '/embed_text',
      post(`{"text":"${'a'.repeat(1_000_000)}"}`),
      413,
      'The body is longer than this service takes.',
    ],
    ['another method', '/embed_text', { method: 'GET' }, 405, 'GET is not possible here; POST is.'],
    ['another method with a body', '/healthz', post('{}'), 405, 'POST is not possible here; GET, HEAD is.'],
    ['an unknown path', '/embed', post('{}', { 'content-type': 'text/plain' }), 404, 'There is nothing here'],
    ['a path that is no URL', '/%zz', {}, 400, 'The path is not a valid URL.'],
    [
      'a picture without an image side',
      '/embed_image',
      post('x', { 'content-type': 'image/jpeg' }),
      404,
      'This service has no image side',
    ],
  ])('is refused in JSON: %s', async (_, at, init, status, detail) => {
    const answer = await service.send(at, init);
    expect(answer.status).toBe(status);
    expect(Object.keys(answer.body)).toEqual(['detail']);
    expect(answer.body['detail']).toContain(detail);
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/^(POST|GET, HEAD)$/);
  });
});

describe('the OpenAPI document', () => {
  it('passes a validator, and names routes, models and limits', async () => {
    const { body } = await service.get('/openapi.json');
    const { valid, errors } = await new Validator().validate(structuredClone(body));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    const paths = body['paths'] as Record<string, unknown>;
    expect(Object.keys(paths).sort()).toEqual([
      '/embed_image',
      '/embed_text',
      '/embed_texts',
      '/healthz',
      '/metrics',
      '/readyz',
    ]);
    expect(JSON.stringify(paths)).toContain(`"enum":["tiny","${REPOSITORY}","other",null]`);
    expect(JSON.stringify(paths)).toContain('"maxItems":256');
    // A folder is nobody's business.
    expect(JSON.stringify(body)).not.toContain(home);
  });

  it('has a page that asks no other host', async () => {
    const page = await service.get('/docs/');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const script = await service.get('/docs/static/swagger-ui-bundle.js');
    expect(script.status).toBe(200);
  });
});

describe('GET /metrics', () => {
  it('counts answers by route and status, texts by batch, and what waits', async () => {
    const before = await service.metric('clip_runner_http_requests_total{route="/embed_text",status="400"}');
    const texts = await service.metric('clip_runner_batch_items_sum{lane="text"}');
    await service.post('/embed_text', { text: ' ' });
    await service.post('/embed_texts', { texts: ['a', 'b', 'c'] });
    expect(await service.metric('clip_runner_http_requests_total{route="/embed_text",status="400"}')).toBe(before + 1);
    expect(await service.metric('clip_runner_batch_items_sum{lane="text"}')).toBe(texts + 3);
    expect(await service.metric('clip_runner_http_request_seconds_count{route="/embed_texts"}')).toBeGreaterThan(0);
    expect(await service.metric('clip_runner_inputs{lane="text",state="waiting"}')).toBe(0);
    expect(await service.metric('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('security 14: does not grow by what clients make up', async () => {
    await service.get('/made-up-4711');
    expect((await service.get('/metrics')).body['text']).not.toContain('4711');
  });

  it('says which package is missing where it is', async () => {
    const hook = `export const resolve = (name, context, next) => {
      if (name === 'prom-client') throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };`;
    await writeFile(path.join(home, 'hook.mjs'), hook);
    const register = `import { register } from 'node:module'; register('./hook.mjs', import.meta.url);`;
    await writeFile(path.join(home, 'register.mjs'), register);
    const NODE_OPTIONS = `--import=${path.join(home, 'register.mjs')}`;
    const plain = await new EmbedService({ NODE_OPTIONS }).ready();
    expect(await plain.get('/metrics')).toMatchObject({
      status: 501,
      body: { detail: 'There are no metrics: install the package prom-client.' },
    });
    expect((await plain.post('/embed_text', { text: 'a' })).status).toBe(200);
    expect(await plain.stop()).toBe(0);
  });
});

describe('with an image side', () => {
  let pictures: EmbedService;
  beforeAll(async () => {
    pictures = await new EmbedService({ EMBED_MAX_IMAGE_BYTES: '500000' }, ['--images', '1']).ready();
  });
  afterAll(() => pictures.command.kill('SIGKILL'));

  const send = (file: Uint8Array, type = 'image/jpeg', query = ''): ReturnType<EmbedService['send']> =>
    pictures.send(`/embed_image${query}`, { method: 'POST', body: file, headers: { 'content-type': type } });
  const picture = (name: string): Buffer => readFileSync(path.join(IMAGES, name));

  it('embeds the bytes of a picture, whatever type they are said to have', async () => {
    for (const [name, type] of [
      ['camera.jpg', 'image/jpeg'],
      ['exif_6.jpg', 'application/octet-stream'],
      ['png_named.jpg', 'image/jpeg'],
    ] as const) {
      const answer = await send(picture(name), type, '?model=tiny');
      expect(answer.status).toBe(200);
      expect(cosine(vectorOf(answer), goldenEmbedding('siglip-tiny', name))).toBeGreaterThan(0.999);
    }
  });

  it.each<[string, () => ReturnType<EmbedService['send']>, number]>([
    ['no bytes', () => send(new Uint8Array()), 400],
    ['a text', () => send(picture('bad/text.jpg')), 415],
    ['half a picture', () => send(picture('camera.jpg').subarray(0, 3000)), 422],
    ['too many bytes', () => send(new Uint8Array(500_001)), 413],
    ['JSON', () => send(picture('camera.jpg'), 'application/json'), 415],
    ['an unknown model', () => send(picture('camera.jpg'), 'image/jpeg', '?model=../x'), 404],
  ])('refuses %s', async (_, ask, status) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.body['detail']).toMatch(/\w/);
  });
});

describe('starting', () => {
  it('exits with 1 and says why when its port is taken', async () => {
    const { port } = new URL(service.url);
    const second = new EmbedService({ EMBED_PORT: port });
    expect(await second.command.ended()).toBe(1);
    expect(second.command.stderr).toContain(`Can't listen on 127.0.0.1 port ${port}: another program listens there.`);
  });

  it.each([
    ['a port that is none', { EMBED_PORT: '70000' }, 'EMBED_PORT must be a whole number from 0 to 65535'],
    ['a token that no header can carry', { EMBED_TOKEN: 'gehöim 4711' }, 'must be printable ASCII without blanks'],
    ['a model that is not there', { CLIP_MODELS: 'a=./no/such' }, 'no/such'],
  ])('exits with 2 for %s', async (_, env, message) => {
    const { command } = new EmbedService(env);
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain(message);
    expect(command.stderr).not.toContain('4711');
  });

  it('warns where other machines reach it without a token, and only there', async () => {
    const open = await new EmbedService({ EMBED_HOST: '0.0.0.0' }).listening();
    expect(open.command.log.find(({ level }) => level === 'warn')?.msg).toContain('set EMBED_TOKEN');
    await open.command.kill('SIGKILL');
    expect(service.command.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('shows its settings with --help, without loading Fastify', async () => {
    const help = new CommandProcess(['serve', '--help'], {});
    expect(await help.ended()).toBe(0);
    expect(help.stdout.replace(/\s+/g, ' ')).toContain('EMBED_PORT, default 8001');
  });
});

it('takes the model with the label PROCESSING_DEFAULT_MODEL where a request names none, wherever it stands', async () => {
  const models = `tiny=${SIGLIP},other=${path.join(home, 'other')}`;
  const second = await new EmbedService({ CLIP_MODELS: models, PROCESSING_DEFAULT_MODEL: 'other' }).ready();
  try {
    for (const [body, model] of [
      [{ text: 'a dog' }, 'other'],
      [{ text: 'a dog', model: null }, 'other'],
      [{ text: 'a dog', model: 'tiny' }, 'tiny'],
    ] as const) {
      const [own] = await runner.embedTexts(['a dog'], { model });
      expect(cosine(vectorOf(await second.post('/embed_text', body)), own!)).toBeGreaterThan(0.999999);
    }
  } finally {
    await second.command.kill('SIGKILL');
  }
});

it('logs no texts, and no failures for what clients did wrong', () => {
  expect(service.command.stderr).not.toContain('lantern');
  expect(service.command.log.filter(({ level }) => level === 'error')).toEqual([]);
});
