import { describe, expect, it } from 'vitest';
import { cleanText, readCleaning } from '../../../src/tasks/tokenizer/cleaning.js';
import { openTokenizer } from '../../../src/tasks/tokenizer/tokenizer.js';
import { GOLDEN_TOKENS, TOKENIZERS } from '../../support/tokens.js';

describe('readCleaning', () => {
  it.each([
    [undefined, 'none'],
    [{ model_type: 'clip', text_config: {} }, 'none'],
    [{ model_type: 'siglip' }, 'lowercase'],
    [{ model_type: 'siglip2' }, 'lowercase'],
    [{ text_cfg: { context_length: 77 } }, 'whitespace'],
    [{ text_cfg: { tokenizer_kwargs: { clean: 'canonicalize' } } }, 'canonical'],
    [{ text_cfg: null, model_type: 7 }, 'whitespace'],
  ])('reads it from the configuration, never from a name: %j', (config, cleaning) => {
    expect(readCleaning(config)).toBe(cleaning);
  });
});

describe('cleanText', () => {
  it("does what open_clip's canonicalize does: underscores, punctuation, case, white space", () => {
    expect(cleanText(' A_red  Cat, on (the)\tBeach!? ~', 'canonical')).toBe('a red cat on the beach');
    expect(cleanText('a - b', 'canonical')).toBe('a b');
    expect(cleanText('¿Dónde está? „ΟΔΟΣ“ 猫。', 'canonical')).toBe('¿dónde está „οδος“ 猫。');
    expect(cleanText('!?', 'canonical')).toBe('');
  });

  it('makes one space of white space as Python does, and leaves the rest', () => {
    expect(cleanText('  A \t\n Cat\u00a0\u3000\u0085\u001f!\u2028', 'whitespace')).toBe('A Cat !');
    expect(cleanText('\ufeffa\u200bb', 'whitespace')).toBe('\ufeffa\u200bb');
    expect(cleanText('  A  ', 'none')).toBe('  A  ');
  });
});

describe("SigLIP 2's tokenizer", () => {
  it('gives the ids of transformers, which lower-cases before it', async () => {
    const tokenizer = await openTokenizer(TOKENIZERS['gemma-bpe'], { model_type: 'siglip' });
    for (const { text, ids } of GOLDEN_TOKENS)
      expect(tokenizer.encode(text, 64), JSON.stringify(text)).toEqual(ids.siglip2);
    expect(GOLDEN_TOKENS.filter(({ ids }) => ids.siglip2.join() !== ids['gemma-bpe'].join()).length).toBeGreaterThan(
      50,
    );
  });

  it('is canonical where open_clip says so', async () => {
    const canonical = { text_cfg: { context_length: 64, tokenizer_kwargs: { clean: 'canonicalize' } } };
    const tokenizer = await openTokenizer(TOKENIZERS['gemma-bpe'], canonical);
    const bare = await openTokenizer(TOKENIZERS['gemma-bpe']);
    expect(tokenizer.encode('A photo_of  a CAT!', 64)).toEqual(bare.encode('a photo of a cat', 64));
    // The brackets of a spelt-out special token go before it could be one.
    expect(tokenizer.encode('<eos>', 64)).toEqual(bare.encode('eos', 64));
  });
});
