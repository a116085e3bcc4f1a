import type { ImagePreprocess, Interpolation } from '../model.js';
import { isSide, MAX_SIDE, type ConfigReader, type Triple } from './config-reader.js';
import { CLIP_MEAN, CLIP_STD } from './preprocess-open-clip.js';

/** What a processor class does where its file is silent. */
interface ClassDefaults {
  /** What a `size` that is a plain number means. */
  readonly numberIs: 'shortest' | 'square';
  readonly size: number;
  /** Side of the centre crop, for classes that cut one out unless told otherwise. */
  readonly crop?: number;
  readonly resample: number;
  readonly mean: Triple;
  readonly std: Triple;
}

const HALF: Triple = [0.5, 0.5, 0.5];
const CLIP: ClassDefaults = { numberIs: 'shortest', size: 224, crop: 224, resample: 3, mean: CLIP_MEAN, std: CLIP_STD };

/** The processor classes whose defaults are known, without the endings `ImageProcessor`, `FeatureExtractor`, `Fast`. */
const CLASSES = new Map<string, ClassDefaults>([
  ['CLIP', CLIP],
  ['ChineseCLIP', CLIP],
  ['Siglip', { numberIs: 'square', size: 224, resample: 3, mean: HALF, std: HALF }],
  ['Blip', { numberIs: 'square', size: 384, resample: 3, mean: CLIP_MEAN, std: CLIP_STD }],
  ['ViT', { numberIs: 'square', size: 224, resample: 2, mean: HALF, std: HALF }],
]);

/** What the name of a processor's class ends in, whatever the family. */
export const PROCESSOR_ENDINGS = /(ImageProcessor|FeatureExtractor|Processor)(Fast|Pil)?$/;

/** PIL's numbers for its filters; 4 (box) and 5 (Hamming) exist, but no resampler here has them. */
const RESAMPLE: readonly (Interpolation | undefined)[] = ['nearest', 'lanczos', 'bilinear', 'bicubic'];

interface Size {
  readonly width: number;
  readonly height: number;
}

type Resize = { readonly kind: 'shortest'; readonly edge: number } | { readonly kind: 'exact'; readonly size: Size };

/**
 * Reads a Hugging Face image processor in any of its spellings; missing keys take the class's defaults.
 * @throws RunnerError `MODEL_INVALID`, also for steps that can't be kept (padding, no resizing, box filters)
 */
export function readHuggingFacePreprocess(config: ConfigReader): ImagePreprocess {
  const defaults = findDefaults(config);
  if (!config.flag('do_resize', true)) throw config.wrong('do_resize', 'true: a graph takes one size only');
  if (config.flag('do_pad', false)) throw config.wrong('do_pad', "false: pictures can't be padded");
  return {
    ...readGeometry(config, defaults),
    interpolation: readInterpolation(config, defaults),
    ...readScaling(config, defaults),
  };
}

function findDefaults(config: ConfigReader): ClassDefaults | undefined {
  const names = ['image_processor_type', 'feature_extractor_type', 'processor_class'].map((key) =>
    config.text(key, ''),
  );
  if (names.some((name) => name.startsWith('Siglip2'))) {
    throw config.wrong(
      'image_processor_type',
      "a processor of fixed size: one that varies with the picture can't be used",
    );
  }
  return names
    .map((name) => CLASSES.get(name.replace(PROCESSOR_ENDINGS, '')))
    .find((defaults) => defaults !== undefined);
}

function readGeometry(
  config: ConfigReader,
  defaults: ClassDefaults | undefined,
): Pick<ImagePreprocess, 'mode' | 'size' | 'crop'> {
  const resize = readResize(config, defaults);
  const doCrop = config.flag('do_center_crop', defaults?.crop !== undefined);
  if (resize.kind === 'exact') {
    const { size } = resize;
    // A crop of the very size that the picture was squashed to changes nothing.
    if (doCrop && !isSame(readCrop(config, defaults), size))
      throw config.wrong('crop_size', 'the same as "size" (a crop after squashing)');
    return { mode: 'squash', size: Math.min(size.width, size.height), crop: size };
  }
  if (!doCrop)
    throw config.wrong('do_center_crop', 'true where "size" is a shortest edge: a graph takes one size only');
  const crop = readCrop(config, defaults);
  if (Math.max(crop.width, crop.height) > resize.edge)
    throw config.wrong('crop_size', `at most "size" (${resize.edge}): pictures can't be padded`);
  return { mode: 'shortest', size: resize.edge, crop };
}

function readResize(config: ConfigReader, defaults: ClassDefaults | undefined): Resize {
  const expected = `a whole number from 1 to ${MAX_SIDE}, {"shortest_edge"} or {"height","width"}`;
  const value = config.value('size') ?? defaults?.size;
  if (isSide(value)) {
    if (defaults === undefined)
      throw config.wrong('size', '{"shortest_edge"} or {"height","width"}: the class is not known');
    return defaults.numberIs === 'shortest'
      ? { kind: 'shortest', edge: value }
      : { kind: 'exact', size: { width: value, height: value } };
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw config.wrong('size', expected);
  const size = config.section('size');
  if (size.has('longest_edge') || size.has('max_height') || size.has('max_width')) {
    throw config.wrong('size', '{"shortest_edge"} or {"height","width"}: other limits can\'t be kept');
  }
  if (!size.has('shortest_edge')) return { kind: 'exact', size: readSides(config, 'size') };
  return { kind: 'shortest', edge: readSide(size, 'shortest_edge') };
}

function readCrop(config: ConfigReader, defaults: ClassDefaults | undefined): Size {
  const value = config.value('crop_size') ?? defaults?.crop;
  if (isSide(value)) return { width: value, height: value };
  if (typeof value !== 'object')
    throw config.wrong('crop_size', `a whole number from 1 to ${MAX_SIDE}, or {"height","width"}`);
  return readSides(config, 'crop_size');
}

function readSides(config: ConfigReader, key: string): Size {
  const section = config.section(key);
  return { width: readSide(section, 'width'), height: readSide(section, 'height') };
}

function readSide(section: ConfigReader, key: string): number {
  const value = section.value(key);
  if (!isSide(value)) throw section.wrong(key, `a whole number from 1 to ${MAX_SIDE}`);
  return value;
}

function readInterpolation(config: ConfigReader, defaults: ClassDefaults | undefined): Interpolation {
  const code = config.value('resample') ?? defaults?.resample;
  const interpolation = typeof code === 'number' ? RESAMPLE[code] : undefined;
  if (interpolation === undefined)
    throw config.wrong('resample', '0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)');
  return interpolation;
}

function readScaling(
  config: ConfigReader,
  defaults: ClassDefaults | undefined,
): Pick<ImagePreprocess, 'rescale' | 'mean' | 'std'> {
  const rescale = config.flag('do_rescale', true)
    ? config.number('rescale_factor', 1 / 255, 'above 0', (value) => value > 0)
    : 1;
  if (!config.flag('do_normalize', true)) return { rescale, mean: [0, 0, 0], std: [1, 1, 1] };
  if (defaults === undefined && !config.has('image_mean'))
    throw config.wrong('image_mean', 'three numbers: the class is not known');
  if (defaults === undefined && !config.has('image_std'))
    throw config.wrong('image_std', 'three numbers: the class is not known');
  return {
    rescale,
    mean: config.triple('image_mean', defaults?.mean ?? HALF, 'finite', () => true),
    std: config.triple('image_std', defaults?.std ?? HALF, 'above 0', (value) => value > 0),
  };
}

function isSame(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}
