import { describe, expect, it } from 'vitest';
import { checkFamily, type FamilyFiles } from '../../../src/models/family.js';

type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [string, number])[];

const words = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, id) => [`w${id}`, id]));
const wordPiece = (vocab: Vocabulary = words(2)): object => ({ model: { type: 'WordPiece', vocab } });
const byteBpe = {
  model: { type: 'BPE', vocab: words(2), end_of_word_suffix: '</w>' },
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'ByteLevel' }] },
};
const gemma = { model: { type: 'BPE', vocab: words(2), byte_fallback: true }, pre_tokenizer: { type: 'Split' } };
const unigram = { model: { type: 'Unigram', vocab: [['a', 0]] } };

interface Parts {
  readonly type?: string;
  readonly processor?: Readonly<Record<string, unknown>>;
  readonly preprocessPath?: string;
  readonly tokenizerClass?: string;
  readonly tokenizer?: unknown;
  readonly tableRows?: number;
  readonly prefix?: string;
}

function filesOf({
  type,
  processor,
  preprocessPath,
  tokenizerClass,
  tokenizer,
  tableRows,
  prefix = '',
}: Parts): FamilyFiles {
  return {
    title: 'the folder ./x',
    config: { model_type: type },
    preprocess: { path: preprocessPath ?? 'preprocessor_config.json', json: processor ?? {} },
    tokenizer: {
      prefix,
      config: { tokenizer_class: tokenizerClass },
      read: () => Promise.resolve(tokenizer),
      tableRows: tableRows ?? 49_408,
    },
  };
}

describe('files of one family', () => {
  it.each<[string, Parts]>([
    [
      'a CLIP',
      {
        type: 'clip',
        processor: { image_processor_type: 'CLIPImageProcessor' },
        tokenizerClass: 'CLIPTokenizer',
        tokenizer: byteBpe,
      },
    ],
    [
      'an older CLIP',
      { type: 'clip', processor: { feature_extractor_type: 'CLIPFeatureExtractor' }, tokenizer: byteBpe },
    ],
    [
      'a Chinese-CLIP',
      {
        type: 'chinese_clip',
        processor: { image_processor_type: 'ChineseCLIPImageProcessor' },
        tokenizerClass: 'BertTokenizer',
        tokenizer: wordPiece(),
      },
    ],
    [
      "a Chinese-CLIP with CLIP's preprocessing",
      { type: 'chinese_clip', processor: { image_processor_type: 'CLIPImageProcessorFast' }, tokenizer: wordPiece() },
    ],
    [
      'a SigLIP',
      {
        type: 'siglip',
        processor: { image_processor_type: 'SiglipImageProcessor' },
        tokenizerClass: 'SiglipTokenizer',
        tokenizer: unigram,
      },
    ],
    [
      'a SigLIP 2',
      {
        type: 'siglip',
        processor: { image_processor_type: 'SiglipImageProcessorFast' },
        tokenizerClass: 'GemmaTokenizerFast',
        tokenizer: gemma,
      },
    ],
    [
      "a MobileCLIP with CLIP's preprocessing",
      {
        type: 'mobileclip',
        processor: { image_processor_type: 'CLIPImageProcessor' },
        tokenizerClass: 'CLIPTokenizer',
        tokenizer: byteBpe,
      },
    ],
    [
      "immich's XLM-R",
      {
        preprocessPath: 'visual/preprocess_cfg.json',
        prefix: 'textual/',
        tokenizerClass: 'XLMRobertaTokenizer',
        tokenizer: unigram,
      },
    ],
    [
      "immich's SigLIP",
      {
        preprocessPath: 'visual/preprocess_cfg.json',
        prefix: 'textual/',
        tokenizerClass: 'T5Tokenizer',
        tokenizer: unigram,
      },
    ],
    [
      'classes that nobody knows',
      {
        type: 'altclip',
        processor: { image_processor_type: 'JinaCLIPImageProcessor' },
        tokenizerClass: 'PreTrainedTokenizerFast',
        tokenizer: wordPiece(),
      },
    ],
    [
      'a class that means nothing beside one that is known',
      {
        type: 'clip',
        processor: { image_processor_type: 'CLIPImageProcessor', feature_extractor_type: 'SiglipFeatureExtractor' },
        tokenizer: byteBpe,
      },
    ],
    [
      'a CLIP of another language, whose table its tokenizer fills',
      { type: 'clip', tokenizerClass: 'BertTokenizer', tokenizer: wordPiece(words(32_000)), tableRows: 32_000 },
    ],
    ['a tokenizer that is no JSON', { type: 'clip', tokenizer: undefined }],
    ['nothing at all', {}],
  ])('are taken: %s', async (_, parts) => {
    await checkFamily(filesOf(parts));
  });

  it('a large tokenizer is read only where something else names a family', async () => {
    const files = filesOf({ tokenizerClass: 'XLMRobertaTokenizer' });
    const read = (): Promise<unknown> => Promise.reject(new Error('it was read'));
    await checkFamily({ ...files, tokenizer: { ...files.tokenizer!, read } });
  });
});

describe('files of different families', () => {
  it.each<[Parts, RegExp]>([
    [
      { type: 'clip', processor: { image_processor_type: 'SiglipImageProcessor' } },
      /config\.json has model_type "clip" \(CLIP\), preprocessor_config\.json has image_processor_type "SiglipImageProcessor" \(SigLIP\)/,
    ],
    [
      { type: 'siglip', processor: { feature_extractor_type: 'CLIPFeatureExtractor' } },
      /"siglip" \(SigLIP\), .*"CLIPFeatureExtractor" \(CLIP or Chinese-CLIP\)/,
    ],
    [
      {
        type: 'siglip2',
        preprocessPath: 'processor_config.json',
        processor: { image_processor: { image_processor_type: 'ChineseCLIPImageProcessor' } },
      },
      /processor_config\.json has image_processor_type "ChineseCLIPImageProcessor"/,
    ],
    [
      { type: 'chinese_clip', tokenizerClass: 'CLIPTokenizer' },
      /tokenizer_config\.json has tokenizer_class "CLIPTokenizer" \(CLIP\)/,
    ],
    [{ type: 'clip', tokenizer: wordPiece() }, /tokenizer\.json is a WordPiece \(Chinese-CLIP\)/],
    [{ type: 'clip', tokenizer: unigram }, /tokenizer\.json is a Unigram of SentencePiece/],
    [{ type: 'clip', tokenizer: gemma }, /tokenizer\.json is a BPE of SentencePiece/],
    [{ type: 'siglip', tokenizer: byteBpe, tableRows: 256_000 }, /tokenizer\.json is a BPE of bytes \(CLIP\)/],
    [
      { tokenizerClass: 'BertTokenizer', tokenizer: byteBpe, prefix: 'textual/' },
      /textual\/tokenizer_config\.json .*, textual\/tokenizer\.json is/,
    ],
    [
      { processor: { image_processor_type: 'SiglipImageProcessor' }, tokenizer: byteBpe },
      /preprocessor_config\.json .*, tokenizer\.json is a BPE of bytes/,
    ],
    [{ type: 'clip', tokenizer: wordPiece(words(317)), tableRows: 704 }, /is a WordPiece/],
    // So small a vocabulary fills no table of that size.
    [{ type: 'clip', tokenizer: wordPiece(words(21_128)), tableRows: 49_408 }, /is a WordPiece/],
  ])('are refused with both files: %j', async (parts, message) => {
    const asked = checkFamily(filesOf(parts));
    await expect(asked).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.toThrow(/the folder \.\/x are of different families/);
  });
});
