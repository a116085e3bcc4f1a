import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEncoder } from '../../../src/tasks/tokenizer/encode.js';
import { buildParts, type TokenizerJson } from '../../../src/tasks/tokenizer/hugging-face.js';
import { createSectioner } from '../../../src/tasks/tokenizer/sections.js';
import { openTokenizer } from '../../../src/tasks/tokenizer/tokenizer.js';
import { GOLDEN_TOKENS, openEncode, TOKENIZER_NAMES, TOKENIZERS, type TokenizerName } from '../../support/tokens.js';

const open = {} as Record<TokenizerName, (text: string) => readonly number[]>;

beforeAll(async () => {
  for (const name of TOKENIZER_NAMES) open[name] = await openEncode(TOKENIZERS[name]);
});

describe.each(TOKENIZER_NAMES)('the ids of %s', (name) => {
  it.each([...new Set(GOLDEN_TOKENS.map(({ kind }) => kind))])('are those of the Rust library: %s', (kind) => {
    const rows = GOLDEN_TOKENS.filter((row) => row.kind === kind);
    expect(rows.length).toBeGreaterThan(0);
    for (const { text, ids } of rows) expect(open[name](text), JSON.stringify(text)).toEqual(ids[name]);
  });

  // Ordering so many marks would take minutes.
  it('are those of the first marks where a text has 500,000 of them in a row', () => {
    const marks = (count: number): string => `a cat ${'\u0301\u0308\u0327'.repeat(count)}`;
    expect(open[name](marks(170_000))).toEqual(open[name](marks(400)));
  });

  it('take a lone surrogate for U+FFFD, as UTF-8 has to', () => {
    for (const half of ['\ud83d', '\ude02']) {
      expect(open[name](`a ${half} cat`)).toEqual(open[name]('a \ufffd cat'));
      expect(open[name](half)).toEqual(open[name]('\ufffd'));
    }
  });

  it('depend on the whole of a text that is read in part: mixed texts longer than the first look', () => {
    const piece = fc.tuple(fc.constantFrom(...ODD_WORDS), fc.integer({ min: 1, max: 6000 }));
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
        const text = pieces.map(([word, times]) => word.repeat(Math.ceil(times / word.length))).join('');
        expect(open[name](text)).toEqual(whole[name](text));
      }),
      { numRuns: 60, seed: 77 },
    );
  });
});

const ODD_WORDS = [
  ...[
    'a photo',
    ' ',
    '   ',
    '😂',
    'Σ',
    '海',
    '!',
    'don',
    "'s",
    '\u0301',
    'x'.repeat(50),
    '\n',
    '𠮷',
    '</s>',
    '<|endoftext|>',
  ],
  ...[
    '[SEP]',
    'cat ',
    '\0',
    '\ufeff',
    '\u200d',
    '\ue000',
    '\t\u3000\u00a0',
    'e\u0301',
    '\u1100\u1161',
    '각',
    '\uff76\uff9e',
  ],
  ...['👩\u200d👩\u200d👦', '🇩🇪', '👍🏽', '❤\ufe0f', '0123456789', '_', '\u0e01\u0e48', '≠'],
];

const whole = {} as Record<TokenizerName, (text: string) => readonly number[]>;
beforeAll(async () => {
  for (const name of TOKENIZER_NAMES) whole[name] = await openWholly(name);
});

/** The same ids with nothing left out or decided early: every step on the whole text, and cut behind. */
async function openWholly(name: TokenizerName): Promise<(text: string) => readonly number[]> {
  const [json, config] = ['tokenizer.json', 'tokenizer_config.json'].map(
    (file) => JSON.parse(readFileSync(path.join(TOKENIZERS[name], file), 'utf8')) as object,
  );
  const parts = await buildParts(json as TokenizerJson, config as Record<string, unknown>);
  const sectionsOf = createSectioner(parts);
  const { maxTokens } = await openTokenizer(TOKENIZERS[name]);
  return (text) => {
    const tokens = sectionsOf(text).flatMap((section) =>
      'token' in section
        ? [section.token]
        : parts.split(section.text, section.index).flatMap((word) => parts.encodeWord(word)),
    );
    const cut = tokens.slice(0, maxTokens! - parts.enclose([]).length);
    return parts.enclose(cut).map((token) => parts.idOf(token)!);
  };
}

describe('a text of a million equal characters', () => {
  const CHARACTERS = {
    letter: 'a',
    digit: '7',
    mark: '!',
    space: ' ',
    nul: '\0',
    Chinese: '海',
    emoji: '😂',
    accent: '\u0301',
    vowel: '\u1161',
  };

  it.each(
    TOKENIZER_NAMES.flatMap((name) =>
      Object.entries(CHARACTERS).map(([kind, character]) => ({ name, kind, character })),
    ),
  )('is read by $name as its beginning is: $kind', ({ name, character }) => {
    const ids = open[name](character.repeat(1_000_000 / character.length));
    // Few enough to be read wholly, many enough to fill every length.
    expect(ids).toEqual(whole[name](character.repeat(6000)));
  });
});

describe('truncation', () => {
  it('keeps the end token, and never exceeds the length asked for', async () => {
    const tokenizer = await openTokenizer(TOKENIZERS['clip-bpe']);
    const end = tokenizer.encode('', 77).at(-1);
    for (const length of [2, 3, 16, 77]) {
      const ids = tokenizer.encode('a photo of a cat on the beach '.repeat(40), length);
      expect(ids).toHaveLength(length);
      expect(ids.at(-1)).toBe(end);
    }
  });
});

describe('the files of a tokenizer', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'clip-runner-tokenizer-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  async function write(name: string, json: unknown, config?: unknown): Promise<string> {
    const folder = path.join(root, name);
    await mkdir(folder);
    await writeFile(path.join(folder, 'tokenizer.json'), typeof json === 'string' ? json : JSON.stringify(json));
    if (config !== undefined) await writeFile(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    return folder;
  }
  const clip = JSON.parse(readFileSync(path.join(TOKENIZERS['clip-bpe'], 'tokenizer.json'), 'utf8')) as object;

  it('say the length and the padding: the least of both files, and no limit for numbers like 1e30', async () => {
    const fixed = { ...clip, truncation: { max_length: 64 }, padding: { strategy: { Fixed: 60 }, pad_id: 3 } };
    expect(await openTokenizer(await write('both', fixed, { model_max_length: 77 }))).toMatchObject({
      maxTokens: 60,
      padId: 3,
    });
    expect(await openTokenizer(await write('huge', clip, { model_max_length: 1e30 }))).toMatchObject({
      maxTokens: undefined,
    });
    expect(await openTokenizer(await write('alone', clip))).toMatchObject({ maxTokens: undefined, padId: 0 });
  });

  it.each([
    ['nothing', undefined, 'There is no'],
    ['text', 'hello', 'Expected JSON'],
    ['list', [], 'it holds no object'],
    [
      'other',
      { model: { type: 'Telepathy' }, normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
      'Telepathy',
    ],
    ['step', { ...clip, normalizer: { type: 'Whisper' } }, 'Whisper'],
  ])('that are not right are refused by name: %s', async (name, json, message) => {
    const folder = json === undefined ? path.join(root, 'missing') : await write(`bad-${name}`, json);
    const error: unknown = await openTokenizer(folder).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain('tokenizer.json');
  });
});

describe('a space before the text', () => {
  // As the Rust library tokenises them with this pre-tokenizer and no normaliser; tokens and their neighbours, too.
  it.each([
    ['cat!\ufeff', [995, 220, 402, 0, 171, 119, 278, 996]],
    ['\ufeffa cat', [995, 220, 171, 119, 278, 263, 220, 402, 996]],
    [' a cat', [995, 220, 263, 220, 402, 996]],
    ['a\u0085cat', [995, 220, 263, 126, 968, 402, 996]],
    ['\u00a0cat', [995, 963, 126, 993, 402, 996]],
    ['a cat<|endoftext|>dog', [995, 220, 263, 220, 402, 996, 220, 410, 996]],
  ])('is put where the file asks for it: %j', async (text, ids) => {
    const json = JSON.parse(readFileSync(path.join(TOKENIZERS['clip-bpe'], 'tokenizer.json'), 'utf8')) as TokenizerJson;
    const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
    const encode = createEncoder(await buildParts({ ...json, normalizer: null, pre_tokenizer }, {}));
    expect(encode(text, 77)).toEqual(ids);
  });
});

describe('white space', () => {
  // As the Rust library tokenises them: U+FEFF is none, U+0085 is some; in JavaScript it is the other way round.
  it.each([
    ['cat!\ufeff', [995, 402, 0, 171, 119, 278, 996]],
    ['\ufeff"a cat"', [995, 171, 119, 123, 768, 263, 402, 768, 996]],
    ['a\u0085cat', [995, 263, 402, 996]],
  ])('is that of Unicode: %j', (text, ids) => {
    expect(open['clip-bpe'](text)).toEqual(ids);
  });
});
