import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner } from '../../dist/index.js';
import { EmbedService } from '../support/embed-service.js';
import { cosine, SIGLIP } from '../support/fixtures.js';
import { inMemory, runJobs, type JobCase, type JobFates } from '../support/job-fates.js';
import { writeTextModel } from '../support/text-model.js';

/**
 * Rows 77 to 88 of the list of bad inputs, to the end of each job: all texts go through one runner together, a good one
 * beside each. That each becomes the ids that Python makes of it is in test/unit/tasks/tokenizer.test.ts.
 */

interface Row {
  readonly query: unknown;
  readonly fate: string;
  readonly more?: object;
  /** A text that must have the same vector. */
  readonly like?: string;
}

const ROWS: Readonly<Record<string, Row>> = {
  'row 77: an empty text': { query: '', fate: 'P invalid' },
  'row 77: blanks of all kinds': { query: ' \t\n\u3000\ufeff', fate: 'P invalid' },
  'row 77: null': { query: null, fate: 'P invalid' },
  'row 78: a megabyte of words, read as far as the model reads': {
    query: 'a cat on the beach '.repeat(55_000),
    fate: 'OK',
    like: 'a cat on the beach '.repeat(100),
  },
  'row 79: emoji, joined ones and flags': { query: '👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪', fate: 'OK' },
  'row 79: half a million emoji': { query: '\u{1F602}'.repeat(250_000), fate: 'OK' },
  'row 80: right-to-left writing': { query: 'قطة على الشاطئ', fate: 'OK' },
  'row 80: combining marks without end': { query: 'Z̸̡̢̛̞a̷̧͎l̸g̴o̵', fate: 'OK' },
  'row 81: NUL and control characters': { query: 'a\u0000 c\u0007at\u001b[31m', fate: 'OK' },
  'row 82: halves of surrogate pairs': { query: 'a \ud800 cat \udfff', fate: 'OK', like: 'a \ufffd cat \ufffd' },
  'row 83: only punctuation': { query: '?!… — »«', fate: 'OK' },
  'row 83: a script that no vocabulary has': { query: '𒀀𒁀𒂀', fate: 'OK' },
  'row 84: a million equal characters without a blank': { query: 'a'.repeat(1_000_000), fate: 'OK' },
  'row 84: a million CJK characters': { query: '猫'.repeat(1_000_000), fate: 'OK' },
  'row 85: upper case and odd blanks': { query: '  A   CAT\u3000ON\tTHE beach ', fate: 'OK' },
  'row 86: null for a model is the default': { query: 'a dog', more: { model: null }, fate: 'OK', like: 'a dog' },
  'row 86: the name of a model instead of its label': {
    query: 'a dog',
    more: { model: SIGLIP },
    fate: 'OK',
    like: 'a dog',
  },
  'row 86: a label that is not there': { query: 'a dog', more: { model: 'nope' }, fate: 'P invalid' },
  'row 86: a path for a model': { query: 'a dog', more: { model: '../../etc/passwd' }, fate: 'P invalid' },
  'row 86: ten thousand letters for a model': {
    query: 'a dog',
    more: { model: 'm'.repeat(10_000) },
    fate: 'P invalid',
  },
  'row 87: a negative limit': { query: 'a dog', more: { limit: -1 }, fate: 'OK', like: 'a dog' },
  'row 87: a huge limit': { query: 'a dog', more: { limit: 1e300 }, fate: 'OK', like: 'a dog' },
  'row 88: special tokens in the text': { query: '<|endoftext|> a cat <|startoftext|> </s>', fate: 'OK' },
};

let home: string;
let runner: Runner;
let fates: JobFates;
let tookMs: number;

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'rows-texts-'));
  const models = [
    { label: 'siglip', name: SIGLIP },
    { label: 'other', name: await writeTextModel(path.join(home, 'other')) },
  ];
  const element = (id: string, query: unknown, more: object = {}): Buffer =>
    Buffer.from(JSON.stringify({ type: 'text_embed', request_id: id, query, ...more }));
  const cases = Object.fromEntries(
    Object.entries(ROWS).map(([name, { query, more }], index): [string, JobCase] => {
      const id = String(index + 1);
      return [name, { id, element: element(id, query, more) }];
    }),
  );
  const mates = Object.keys(cases).map((_, index) => {
    const id = String(1000 + index);
    return { id, element: element(id, `cat number ${index}`) };
  });
  const startedAt = performance.now();
  fates = await runJobs({ cases, mates, queue: inMemory({ jobs: 'text' }), runner: { tasks: ['text'], models } });
  tookMs = performance.now() - startedAt;
  runner = createRunner({ models, tasks: ['text'], device: 'cpu' });
  await runner.start();
});
afterAll(async () => {
  await runner.stop();
  await rm(home, { recursive: true, force: true });
});

const vectorOf = (name: string): readonly number[] => fates.callbacksOf(name)[0]?.body['embedding'] as number[];

describe('a text of a job', () => {
  it.each(Object.entries(ROWS))('%s', async (name, { fate, like }) => {
    expect(fates.of(name)).toBe(fate);
    expect(fates.deadOf(name)?.note.error.message.length ?? 0).toBeLessThan(300);
    if (fate !== 'OK') return;
    expect(Math.hypot(...vectorOf(name))).toBeCloseTo(1, 5);
    if (like === undefined) return;
    const [vector] = await runner.embedTexts([like]);
    expect(cosine(vectorOf(name), vector!)).toBeGreaterThan(0.999999);
  });

  it('does no harm to those in its batch', () => {
    expect(fates.lostMates).toEqual([]);
  });

  it('row 84: takes no longer than its letters need, however many there are', () => {
    // Merging pairs naively would take hours for these.
    expect(tookMs).toBeLessThan(60_000);
  });
});

describe('a text of a request', () => {
  let service: EmbedService;
  beforeAll(async () => {
    service = await new EmbedService().ready();
  });
  afterAll(() => service.command.kill('SIGKILL'));

  it.each<[string, unknown, number, string]>([
    ['row 77: a blank text is a 400', { text: ' \n' }, 400, 'text is required'],
    ['row 78: a text of a megabyte is a 413', { text: 'a'.repeat(1e6) }, 413, 'longer than this service takes'],
    ['row 82: halves of surrogate pairs are a 200', { text: 'a \ud800 cat' }, 200, ''],
    ['row 86: a path for a model is a 404', { text: 'a', model: '../../etc/passwd' }, 404, 'There is no such model'],
  ])('%s', async (_, body, status, detail) => {
    const answer = await service.post('/embed_text', body);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(detail);
  });
});
