import { describe, expect, it } from 'vitest';
import { selectFiles, graphFileOf } from '../../../src/models/layouts.js';

const SPLIT = [
  'config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'onnx/vision_model.onnx',
  'onnx/vision_model_quantized.onnx',
  'onnx/text_model.onnx',
  'onnx/text_model_quantized.onnx',
  'README.md',
  'onnx/model.onnx',
];
const IMMICH = [
  'config.json',
  'visual/model.onnx',
  'visual/preprocess_cfg.json',
  'textual/model.onnx',
  'textual/tokenizer.json',
  'textual/tokenizer_config.json',
];
const title = 'the folder ./x';

describe('selectFiles', () => {
  it('takes both towers, the configs and the tokenizer of a split model, and nothing else', () => {
    expect(selectFiles(new Set(SPLIT), { dtype: 'fp32', title })).toEqual({
      vision: 'onnx/vision_model.onnx',
      text: 'onnx/text_model.onnx',
      isJoint: false,
      preprocess: 'preprocessor_config.json',
      tokenizerFolder: '',
      all: [
        'preprocessor_config.json',
        'config.json',
        'tokenizer.json',
        'tokenizer_config.json',
        'onnx/vision_model.onnx',
        'onnx/text_model.onnx',
      ],
    });
  });

  it('finds the same files without the onnx folder', () => {
    const flat = SPLIT.map((path) => path.replace('onnx/', ''));
    expect(selectFiles(new Set(flat), { dtype: 'q8', title })).toMatchObject({
      vision: 'vision_model_quantized.onnx',
      text: 'text_model_quantized.onnx',
    });
  });

  it('finds the towers of immich models', () => {
    expect(selectFiles(new Set(IMMICH), { dtype: 'fp32', title })).toMatchObject({
      vision: 'visual/model.onnx',
      text: 'textual/model.onnx',
      preprocess: 'visual/preprocess_cfg.json',
      tokenizerFolder: 'textual',
    });
  });

  for (const suffix of ['_int8', '_uint8']) {
    it(`takes ${suffix} for q8 where there is no _quantized`, () => {
      const listing = new Set(['preprocessor_config.json', `onnx/vision_model${suffix}.onnx`]);
      expect(selectFiles(listing, { dtype: 'q8', title }).vision).toBe(`onnx/vision_model${suffix}.onnx`);
    });
  }

  it('names the dtypes that exist when the one asked for does not', () => {
    expect(() => selectFiles(new Set(SPLIT), { dtype: 'fp16', title })).toThrow(
      expect.objectContaining({
        code: 'MODEL_NOT_FOUND',
        message:
          'There is no onnx/vision_model_fp16.onnx (dtype fp16) in the folder ./x. The dtypes that exist are fp32, q8.',
      }),
    );
  });

  it('takes one graph with both towers for both sides, and downloads it once', () => {
    for (const path of ['onnx/model_quantized.onnx', 'model_quantized.onnx']) {
      const listing = new Set(['preprocessor_config.json', 'tokenizer.json', path]);
      expect(selectFiles(listing, { dtype: 'q8', title })).toEqual({
        vision: path,
        text: path,
        isJoint: true,
        preprocess: 'preprocessor_config.json',
        tokenizerFolder: '',
        all: ['preprocessor_config.json', 'tokenizer.json', path],
      });
    }
  });

  it('prefers towers apart to one graph, unless only that has the dtype', () => {
    const listing = new Set([...SPLIT, 'onnx/model_fp16.onnx']);
    expect(selectFiles(listing, { dtype: 'fp32', title })).toMatchObject({ vision: 'onnx/vision_model.onnx' });
    expect(selectFiles(listing, { dtype: 'fp16', title })).toMatchObject({
      vision: 'onnx/model_fp16.onnx',
      isJoint: true,
    });
  });

  it('points to the exporter where there is no ONNX file at all, and only there', () => {
    const select = (...files: readonly string[]): unknown => selectFiles(new Set(files), { dtype: 'fp32', title });
    expect(() => select('model.safetensors', 'config.json')).toThrow(
      /no ONNX file at all: tools\/export .* "Making a folder of your own" in docs\/models\.md/,
    );
    expect(() => select('decoder.onnx', 'config.json')).toThrow(/such as _fp16\)\.$/);
  });

  it('says which files it looked for in a folder without any', () => {
    expect(() => selectFiles(new Set(['README.md']), { dtype: 'fp32', title })).toThrow(
      expect.objectContaining({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining('onnx/vision_model.onnx, vision_model.onnx, visual/model.onnx') as string,
      }),
    );
  });

  it('needs the file that says how pictures are prepared', () => {
    expect(() => selectFiles(new Set(['onnx/vision_model.onnx']), { dtype: 'fp32', title })).toThrow(
      expect.objectContaining({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining('preprocessor_config.json') as string,
      }),
    );
  });

  describe('the vision side', () => {
    it('is left out on wish, with what says how pictures are prepared', () => {
      const files = selectFiles(new Set(SPLIT), { dtype: 'fp32', wantVision: false, wantText: true, title });
      expect(files).toEqual({
        text: 'onnx/text_model.onnx',
        tokenizerFolder: '',
        isJoint: false,
        all: ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/text_model.onnx'],
      });
    });

    it('need not be there for texts alone, in any layout', () => {
      for (const [paths, vision] of [
        [SPLIT, 'onnx/vision_model'],
        [IMMICH, 'visual/'],
      ] as const) {
        const listing = new Set(paths.filter((path) => !path.startsWith(vision) && path !== 'onnx/model.onnx'));
        expect(selectFiles(listing, { dtype: 'fp32', wantVision: false, wantText: true, title }).text).toBeDefined();
        expect(() => selectFiles(listing, { dtype: 'fp32', title })).toThrow('vision');
      }
    });

    it('is not asked for where the text graph is what is missing', () => {
      const listing = new Set(['onnx/vision_model.onnx', 'preprocessor_config.json', 'tokenizer.json']);
      expect(() => selectFiles(listing, { dtype: 'fp32', wantVision: false, wantText: true, title })).toThrow(
        'There is no text graph in the folder ./x: expected one of onnx/text_model.onnx',
      );
    });
  });

  describe('the text side', () => {
    const without = (...paths: readonly string[]): ReadonlySet<string> =>
      new Set(SPLIT.filter((path) => !paths.includes(path)));

    it('is left out on wish', () => {
      const files = selectFiles(new Set(SPLIT), { dtype: 'fp32', wantText: false, title });
      expect(files).not.toHaveProperty('text');
      expect(files.all).not.toContain('tokenizer.json');
    });

    it('is left out where it is not whole and nobody asked for it', () => {
      expect(selectFiles(without('tokenizer.json'), { dtype: 'fp32', title })).not.toHaveProperty('text');
      expect(selectFiles(without('onnx/text_model.onnx'), { dtype: 'fp32', title })).not.toHaveProperty(
        'tokenizerFolder',
      );
    });

    for (const missing of ['onnx/text_model.onnx', 'tokenizer.json']) {
      it(`is refused without ${missing} where it is asked for`, () => {
        expect(() => selectFiles(without(missing), { dtype: 'fp32', wantText: true, title })).toThrow(
          expect.objectContaining({ code: 'MODEL_NOT_FOUND', message: expect.stringContaining(missing) as string }),
        );
      });
    }
  });
});

describe('graphFileOf', () => {
  it('names the first choice of a dtype', () => {
    expect(graphFileOf('split', 'q8', 'vision')).toBe('onnx/vision_model_quantized.onnx');
    expect(graphFileOf('immich', 'fp32', 'vision')).toBe('visual/model.onnx');
    expect(graphFileOf('immich', 'fp16', 'text')).toBe('textual/model_fp16.onnx');
    expect(graphFileOf('joint', 'fp16', 'vision')).toBe('onnx/model_fp16.onnx');
  });
});
