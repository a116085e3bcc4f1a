import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ort from 'onnxruntime-node';
import sharp from 'sharp';
import type { ImagePreprocess } from '../../src/model.js';
import type { DecodeSettings } from '../../src/tasks/image/decode.js';
import { pictureBatch } from '../../src/tasks/image/picture-batch.js';
import { cropPixels } from '../../src/tasks/image/preprocess.js';
import type { Pixels } from '../../src/tasks/image/resample.js';
import type { Photo } from '../../src/tasks/task.js';

/** Pictures, the numbers that Python made of them, and what the tests of the image stage need to compare the two. */

export const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));

export const EXACT: DecodeSettings = {
  orientation: 'apply',
  resample: 'exact',
  maxPixels: 100_000_000,
  decodeTimeoutMs: 20_000,
};
export const FAST: DecodeSettings = { ...EXACT, resample: 'fast' };

const CLIP_NORMALISATION = {
  rescale: 0.00392156862745098,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

export const PREPROCESS = {
  'clip-tiny': {
    mode: 'shortest',
    size: 224,
    crop: { width: 224, height: 224 },
    interpolation: 'bicubic',
    ...CLIP_NORMALISATION,
  },
  'chinese-clip-tiny': {
    mode: 'squash',
    size: 224,
    crop: { width: 224, height: 224 },
    interpolation: 'bicubic',
    ...CLIP_NORMALISATION,
  },
  'siglip-tiny': {
    mode: 'squash',
    size: 224,
    crop: { width: 224, height: 224 },
    interpolation: 'bicubic',
    rescale: 0.00392156862745098,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
  'blip-tiny': {
    mode: 'squash',
    size: 384,
    crop: { width: 384, height: 384 },
    interpolation: 'bicubic',
    ...CLIP_NORMALISATION,
  },
} satisfies Record<string, ImagePreprocess>;

export type ModelName = keyof typeof PREPROCESS;
export const MODEL_NAMES = Object.keys(PREPROCESS) as ModelName[];

export interface GoldenView {
  readonly sha256: string;
  readonly samples?: readonly number[];
  readonly embedding?: readonly number[];
}

export interface GoldenImage {
  readonly isStrict: boolean;
  readonly views: Readonly<Record<string, GoldenView>>;
}

interface GoldenImages {
  readonly models: Readonly<
    Record<
      string,
      { readonly sampleIndices: readonly number[]; readonly images: Readonly<Record<string, GoldenImage>> }
    >
  >;
}

export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(FIXTURES + file, 'utf8'));
}

export const GOLDEN = readJson('golden/images.json') as GoldenImages;

/** The reading of a file that is ours: upright, 16-bit grey by its high byte, otherwise as Pillow reads it. */
export function ourView({ views }: GoldenImage): GoldenView {
  return (views['exif'] ?? views['shift8'] ?? views['pil'])!;
}

export function readPicture(name: string): Buffer {
  return readFileSync(`${FIXTURES}images/${name}`);
}

export function sha256(data: Uint8Array | Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    lengthA += a[i]! ** 2;
    lengthB += b[i]! ** 2;
  }
  return dot / Math.sqrt(lengthA * lengthB);
}

/** The vision side of a model of the fixtures or of another folder, run directly. */
export async function openVision(folder: string): Promise<(tensor: Float32Array) => Promise<Float32Array>> {
  const session = await ort.InferenceSession.create(`${folder}/onnx/vision_model.onnx`);
  return async (tensor) => {
    const side = Math.sqrt(tensor.length / 3);
    const output = await session.run({ pixel_values: new ort.Tensor('float32', tensor, [1, 3, side, side]) });
    return output['image_embeds']!.data as Float32Array;
  };
}

/** The tensor that a vision graph is given of a photo: `3 x crop.height x crop.width`. */
export function toTensor(photo: Photo, preprocess: ImagePreprocess): Float32Array {
  return pictureBatch(preprocess).join([cropPixels(photo, preprocess)]);
}

/** RGB noise; tools/image-golden.py makes the same. */
export function noise(width: number, height: number, seed: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = seed >>> 0;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return { width, height, data };
}

/** A JPEG of any size with detail at all scales: a photo of the fixtures, stretched, with grain on top. */
export async function grainyJpeg(name: string, width: number, height: number, orientation?: number): Promise<Buffer> {
  const data = await sharp(readPicture(name))
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer();
  const grain = noise(width, height, width + height).data;
  for (let i = 0; i < data.length; i++) data[i] = Math.min(255, Math.max(0, data[i]! + ((grain[i]! - 128) >> 3)));
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  return (orientation === undefined ? picture : picture.withMetadata({ orientation })).jpeg({ quality: 90 }).toBuffer();
}

/** A copy of a JPEG with another value in the orientation tag of its EXIF block. */
export function withOrientation(jpeg: Buffer, orientation: number): Buffer {
  const copy = Buffer.from(jpeg);
  const tiff = copy.indexOf('Exif\0\0') + 6;
  const isLittle = copy.toString('latin1', tiff, tiff + 2) === 'II';
  const u16 = (at: number): number => (isLittle ? copy.readUInt16LE(at) : copy.readUInt16BE(at));
  const directory = tiff + (isLittle ? copy.readUInt32LE(tiff + 4) : copy.readUInt32BE(tiff + 4));
  for (let entry = directory + 2; entry < directory + 2 + u16(directory) * 12; entry += 12) {
    if (u16(entry) !== 0x0112) continue;
    if (isLittle) copy.writeUInt16LE(orientation, entry + 8);
    else copy.writeUInt16BE(orientation, entry + 8);
    return copy;
  }
  throw new Error('The JPEG has no orientation tag.');
}

/** The full reference set, where it lies beside the checkout. */
export const REFERENCE = fileURLToPath(new URL('../../../shared/reference/', import.meta.url));
export const hasReference = existsSync(`${REFERENCE}golden/manifest.json`);
