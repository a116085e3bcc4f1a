import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createBeginning } from '../../../src/tasks/tokenizer/beginning.js';
import { createEncoder } from '../../../src/tasks/tokenizer/encode.js';
import { buildParts, type TokenizerJson, type TokenizerParts } from '../../../src/tasks/tokenizer/hugging-face.js';
import { TOKENIZERS } from '../../support/tokens.js';

const MILLION = 1_000_000;
const WORDPIECE = JSON.parse(
  readFileSync(path.join(TOKENIZERS['bert-wordpiece'], 'tokenizer.json'), 'utf8'),
) as TokenizerJson;

describe('of a million characters that make no more tokens than a few', () => {
  let wordpiece: TokenizerParts;
  beforeAll(async () => {
    wordpiece = await buildParts(WORDPIECE, {});
  });

  it.each([
    ['letters', 'abcdefgh'],
    ['digits', '0123456789'],
    ['jamo', '\u1100\u1161\u11a8'],
    ['families joined by U+200D', '👩\u200d👩\u200d👧\u200d👦'],
    ['flags', '🇩🇪🇨🇳'],
    ['hands of a colour', '👍🏽'],
    ['letters with marks', 'a\u0301\u0308\u0327'],
    ['Thai with marks', '\u0e01\u0e48'],
    ['mixed white space', ' \t\u00a0\n\u3000\r'],
    ['control characters', '\0\u0007\u001b'],
    ['marks that join with nothing', '\u0301'],
    ['vowels that join with nothing', '\u1161'],
  ])('only a few are left, and the same tokens: %s', (_, pattern) => {
    const long = pattern.repeat(MILLION / pattern.length);
    const { text, isWhole } = createBeginning(wordpiece, new Set())(long)(MILLION);
    expect(isWhole).toBe(true);
    expect(text.length).toBeLessThan(1100);
    const tokensOf = (some: string): readonly string[] =>
      wordpiece.split(wordpiece.normalise(some), 0).flatMap((word) => wordpiece.encodeWord(word));
    expect(tokensOf(`cat ${text} dog`)).toEqual(tokensOf(`cat ${pattern.repeat(200)} dog`));
  });

  it('a text that is asked for bit by bit is the one that is asked for at once', () => {
    const text = `a cat ${' \t'.repeat(500)}👩\u200d`.repeat(20) + 'x'.repeat(3000);
    const beginningOf = createBeginning(wordpiece, new Set());
    const whole = beginningOf(text)(MILLION);
    const read = beginningOf(text);
    for (let length = 1; length < 1200; length += 7) {
      const part = read(length);
      expect(whole.text.startsWith(part.text)).toBe(true);
      expect(part.isWhole || part.text.length >= length).toBe(true);
    }
    expect(read(MILLION)).toEqual(whole);
  });
});

describe('characters that join into one', () => {
  const normalizer = { type: 'NFC' };
  const syllables = '\u1100\u1161'.repeat(60);

  it('are counted as one where a word of too many is unknown', async () => {
    const vocab = { '[UNK]': 0, 가: 1, '##가': 2 };
    const model = { ...WORDPIECE.model, vocab };
    const json = { ...WORDPIECE, normalizer, added_tokens: [], post_processor: null, model };
    const encode = createEncoder(await buildParts(json, {}));
    expect(encode(syllables, 100)).toEqual([1, ...Array<number>(59).fill(2)]);
  });

  it('are not taken for unknown where only both together are known', async () => {
    const model = {
      type: 'Unigram',
      unk_id: 0,
      byte_fallback: false,
      vocab: [
        ['<unk>', 0],
        ['가', -1],
      ],
    };
    const json = { ...WORDPIECE, normalizer, pre_tokenizer: null, added_tokens: [], post_processor: null, model };
    const encode = createEncoder(await buildParts(json, { unk_token: '<unk>' }));
    expect(encode(syllables, 100)).toEqual(Array<number>(60).fill(1));
  });
});

describe('a token that is written out', () => {
  /** A word is unknown, `xyz` is a token wherever it stands, or only as a word of its own. */
  async function encodeWith(single_word: boolean): Promise<(text: string, maxTokens: number) => readonly number[]> {
    const added = {
      id: 1,
      content: 'xyz',
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word,
      special: true,
    };
    const model = { ...WORDPIECE.model, vocab: { '[UNK]': 0, xyz: 1 } };
    const json = { ...WORDPIECE, added_tokens: [added], post_processor: null, model } as TokenizerJson;
    return createEncoder(await buildParts(json, {}));
  }

  it('is found behind and within long runs of characters that it begins with', async () => {
    const encode = await encodeWith(false);
    expect(encode(`${'x'.repeat(500)}yz${'q'.repeat(500)}xyz`, 100)).toEqual([0, 1, 0, 1]);
  });

  it('is a word of its own or not by the last character of a run before it', async () => {
    const encode = await encodeWith(true);
    expect(encode(`${'€'.repeat(500)}xyz`, 100)).toEqual([0, 1]);
    expect(encode(`${'€'.repeat(500)}qxyz`, 100)).toEqual([0]);
  });
});
