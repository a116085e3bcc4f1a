import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImagePreprocess } from '../../../src/model.js';
import { parsePreprocess } from '../../../src/models/preprocess-config.js';
import { TINY_MODEL_FOLDER } from '../../support/tiny-model.js';

const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];
const HALF = [0.5, 0.5, 0.5];

const CLIP = {
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 224 },
  crop_size: { height: 224, width: 224 },
  do_center_crop: true,
  resample: 3,
};

function parse(config: object, file = 'preprocessor_config.json'): ImagePreprocess {
  return parsePreprocess(file, JSON.stringify(config));
}

describe("Hugging Face's preprocessor_config.json", () => {
  it('is read from the file of a real model', () => {
    const file = join(TINY_MODEL_FOLDER, 'preprocessor_config.json');
    expect(parsePreprocess(file, readFileSync(file, 'utf8'))).toEqual({
      mode: 'squash',
      size: 224,
      crop: { width: 224, height: 224 },
      interpolation: 'bicubic',
      rescale: 1 / 255,
      mean: HALF,
      std: HALF,
    });
  });

  const shortest = (size: number, crop: number) => ({ mode: 'shortest', size, crop: { width: crop, height: crop } });
  const squash = (width: number, height: number) => ({ mode: 'squash', crop: { width, height } });
  const spellings: readonly (readonly [string, object, object])[] = [
    ['sizes as objects', CLIP, shortest(224, 224)],
    ['sizes as numbers', { ...CLIP, size: 336, crop_size: 300 }, shortest(336, 300)],
    ['a shortest edge larger than the crop', { ...CLIP, size: { shortest_edge: 256 } }, shortest(256, 224)],
    ['nothing but the class', { image_processor_type: 'CLIPImageProcessor' }, { ...shortest(224, 224), interpolation: 'bicubic', mean: CLIP_MEAN, std: CLIP_STD, rescale: 1 / 255 }],
    ['the class of a fast processor', { image_processor_type: 'CLIPImageProcessorFast' }, shortest(224, 224)],
    ['the class under its old name', { feature_extractor_type: 'CLIPFeatureExtractor', size: 224 }, shortest(224, 224)],
    ['the class of the whole processor', { processor_class: 'SiglipProcessor', size: 256 }, squash(256, 256)],
    ['null for missing', { ...CLIP, image_mean: null, crop_size: null }, { ...shortest(224, 224), mean: CLIP_MEAN }],
    ["Chinese-CLIP's", { image_processor_type: 'ChineseCLIPImageProcessor', do_center_crop: false, size: { height: 224, width: 224 } }, { ...squash(224, 224), mean: CLIP_MEAN }],
    ['a number of SigLIP, which is a square', { image_processor_type: 'SiglipImageProcessor', size: 384 }, { ...squash(384, 384), mean: HALF }],
    ["ViT's defaults", { image_processor_type: 'ViTImageProcessor' }, { ...squash(224, 224), interpolation: 'bilinear', mean: HALF }],
    ["BLIP's defaults", { image_processor_type: 'BlipImageProcessor' }, { ...squash(384, 384), mean: CLIP_MEAN }],
    ['a picture that is not square', { ...CLIP, do_center_crop: false, size: { height: 192, width: 320 } }, squash(320, 192)],
    ['a crop of the squashed size', { ...CLIP, size: { height: 224, width: 224 } }, squash(224, 224)],
    ['an unknown class that says everything', { ...CLIP, image_processor_type: 'OwnProcessor', image_mean: HALF, image_std: HALF }, shortest(224, 224)],
    ['no normalising', { ...CLIP, do_normalize: false }, { mean: [0, 0, 0], std: [1, 1, 1] }],
    ['no rescaling', { ...CLIP, do_rescale: false }, { rescale: 1 }],
    ['its own rescaling', { ...CLIP, rescale_factor: 0.5 }, { rescale: 0.5 }],
    ['nearest', { ...CLIP, resample: 0 }, { interpolation: 'nearest' }],
    ['Lanczos', { ...CLIP, resample: 1 }, { interpolation: 'lanczos' }],
    ['bilinear', { ...CLIP, resample: 2 }, { interpolation: 'bilinear' }],
  ]; // prettier-ignore
  for (const [spelling, config, expected] of spellings) {
    it(`may have ${spelling}`, () => {
      expect(parse(config)).toMatchObject(expected);
    });
  }

  it('may stand in processor_config.json, as the image processor', () => {
    expect(parse({ image_processor: CLIP }, 'processor_config.json')).toMatchObject(shortest(224, 224));
    expect(() => parse({ processor_class: 'CLIPProcessor' }, 'processor_config.json')).toThrow(
      /"image_processor" must be an object/,
    );
  });

  const wrong: readonly (readonly [string, object, string])[] = [
    ['a size of 0', { ...CLIP, size: 0 }, '"size" must be'],
    ['a size as a text', { ...CLIP, size: '224' }, '"size" must be a whole number from 1 to 4096, {"shortest_edge"} or {"height","width"}, but got "224" (string)'],
    ['a size that is not whole', { ...CLIP, size: { shortest_edge: 224.5 } }, '"size.shortest_edge" must be a whole number from 1 to 4096, but got 224.5 (number)'],
    ['a size beyond measure', { ...CLIP, size: { shortest_edge: 1e9 } }, '"size.shortest_edge"'],
    ['only a height', { ...CLIP, do_center_crop: false, size: { height: 224 } }, '"size.width"'],
    ['a longest edge', { ...CLIP, size: { shortest_edge: 224, longest_edge: 300 } }, '"size" must be'],
    ['a number of an unknown class', { size: 224, image_mean: HALF, image_std: HALF, resample: 3 }, '"size" must be {"shortest_edge"}'],
    ['no size of an unknown class', { image_mean: HALF, image_std: HALF, resample: 3 }, '"size" must be'],
    ['no mean of an unknown class', { ...CLIP, image_processor_type: 'OwnProcessor' }, '"image_mean" must be'],
    ['no filter of an unknown class', { ...CLIP, image_processor_type: 'OwnProcessor', resample: undefined }, '"resample" must be'],
    ['a crop larger than the picture', { ...CLIP, crop_size: 300 }, '"crop_size" must be at most "size" (224)'],
    ['a crop after squashing', { ...CLIP, size: { height: 256, width: 256 } }, '"crop_size" must be the same as "size"'],
    ['a shortest edge without a crop', { ...CLIP, do_center_crop: false }, '"do_center_crop" must be true'],
    ['a crop that is a list', { ...CLIP, crop_size: [224, 224] }, '"crop_size" must be'],
    ['no resizing', { ...CLIP, do_resize: false }, '"do_resize" must be true'],
    ['padding', { ...CLIP, do_pad: true }, '"do_pad" must be false'],
    ['a flag that is a number', { ...CLIP, do_center_crop: 1 }, '"do_center_crop" must be true or false, but got 1 (number)'],
    ['a box filter', { ...CLIP, resample: 4 }, '"resample" must be 0 (nearest)'],
    ['a filter by name', { ...CLIP, resample: 'bicubic' }, '"resample" must be'],
    ['a filter of -1', { ...CLIP, resample: -1 }, '"resample" must be'],
    ['two means', { ...CLIP, image_mean: [0.5, 0.5] }, '"image_mean" must be three numbers, each finite, but got a list of 2'],
    ['a mean that is a text', { ...CLIP, image_mean: ['0.5', 0.5, 0.5] }, '"image_mean"'],
    ['a deviation of 0', { ...CLIP, image_std: [0.5, 0, 0.5] }, '"image_std" must be three numbers, each above 0'],
    ['a rescaling of 0', { ...CLIP, rescale_factor: 0 }, '"rescale_factor" must be above 0'],
    ['pictures of any size', { image_processor_type: 'Siglip2ImageProcessor' }, 'a processor of fixed size'],
  ]; // prettier-ignore
  for (const [fault, config, words] of wrong) {
    it(`is refused with ${fault}`, () => {
      expect(() => parse(config)).toThrow(
        expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringContaining(words) as string }),
      );
    });
  }

  it('is refused when it is no JSON object', () => {
    for (const text of ['', '{', '[]', 'null', '7']) {
      expect(() => parsePreprocess('preprocessor_config.json', text)).toThrow(
        expect.objectContaining({ code: 'MODEL_INVALID' }),
      );
    }
  });

  it('may begin with a byte order mark', () => {
    expect(parsePreprocess('preprocessor_config.json', `\uFEFF${JSON.stringify(CLIP)}`).size).toBe(224);
  });

  it('is not misled by keys of the prototype', () => {
    const text = '{"__proto__":{"size":7},"image_processor_type":"CLIPImageProcessor"}';
    expect(parsePreprocess('preprocessor_config.json', text).size).toBe(224);
  });
});

describe("open_clip's preprocess_cfg.json", () => {
  const FULL = {
    size: [224, 224],
    mode: 'RGB',
    mean: CLIP_MEAN,
    std: CLIP_STD,
    interpolation: 'bicubic',
    resize_mode: 'shortest',
    fill_color: 0,
  };
  const open = (config: object) => parse(config, 'visual/preprocess_cfg.json');

  it('is read whole', () => {
    expect(open(FULL)).toEqual({
      mode: 'shortest',
      size: 224,
      crop: { width: 224, height: 224 },
      interpolation: 'bicubic',
      rescale: 1 / 255,
      mean: CLIP_MEAN,
      std: CLIP_STD,
    });
  });

  it("takes open_clip's defaults where it is silent", () => {
    expect(open({})).toEqual(open(FULL));
  });

  it('may have the size as a number, and squash', () => {
    expect(open({ ...FULL, size: 256, resize_mode: 'squash', interpolation: 'bilinear' })).toMatchObject({
      mode: 'squash',
      crop: { width: 256, height: 256 },
      interpolation: 'bilinear',
    });
  });

  it('has the height before the width', () => {
    expect(open({ ...FULL, size: [192, 320], resize_mode: 'squash' }).crop).toEqual({ width: 320, height: 192 });
  });

  it('may stand in open_clip_config.json', () => {
    expect(parse({ model_cfg: {}, preprocess_cfg: { size: 336 } }, 'open_clip_config.json').size).toBe(336);
  });

  const wrong: readonly (readonly [string, object, string])[] = [
    ['padding to the longest side', { resize_mode: 'longest' }, '"resize_mode" must be "shortest" or "squash"'],
    ['an unknown way of resizing', { resize_mode: 'x' }, '"resize_mode"'],
    ['a shortest side of an oblong', { size: [224, 336] }, '"size" must be square'],
    [
      'three sizes',
      { size: [1, 2, 3] },
      '"size" must be a whole number from 1 to 4096, or two of them, but got a list of 3',
    ],
    ['a random filter', { interpolation: 'random' }, '"interpolation" must be "bicubic" or "bilinear"'],
    ['grey pictures', { mode: 'L' }, '"mode" must be "RGB"'],
    ['one mean', { mean: 0.5 }, '"mean" must be three numbers'],
    ['a negative deviation', { std: [1, 1, -1] }, '"std" must be three numbers, each above 0'],
  ];
  for (const [fault, change, words] of wrong) {
    it(`is refused with ${fault}`, () => {
      expect(() => open({ ...FULL, ...change })).toThrow(
        expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringContaining(words) as string }),
      );
    });
  }
});
