import { RunnerError } from '../../errors.js';
import type { Photo, PixelNeed } from '../task.js';
import { cmykToRgb } from './cmyk.js';
import { explainFailure, unsupportedPicture } from './decode-errors.js';
import { halvePhoto } from './halve.js';
import { hasJpegEnd, JPEG_END } from './jpeg-end.js';
import { checkJpegScans } from './jpeg-scans.js';
import { decodePixels, readHeader, type PictureHeader } from './sharp.js';
import { planHalvings, planShrink, uprightSize, type Shrink, type StoredSize } from './shrink.js';
import { sniff, type DecodableKind } from './sniff.js';
import { firstWebpFrame } from './webp-frame.js';

export interface DecodeSettings {
  /** `apply`: EXIF orientation is honoured. `ignore`: pixels as stored. */
  readonly orientation: 'apply' | 'ignore';
  /** `fast`: a JPEG decoder may shrink while decoding. `exact`: never. */
  readonly resample: 'fast' | 'exact';
  readonly maxPixels: number;
  /** Rounded up to whole seconds. */
  readonly decodeTimeoutMs: number;
}

export interface DecodeOptions {
  readonly settings: DecodeSettings;
  /** How much of the picture each of its consumers needs. @default 'full' */
  readonly need?: Needs;
  /** How much those need who can do with less than `need`: for them the photo comes `reduced`, too. */
  readonly reducedNeed?: Needs;
  /**
   * Resolves when so many bytes may be taken. Asked once, when the size is known and before any pixel is decoded; the pixels
   * of `Photo.inFull` are counted in, since who holds some may not ask for more.
   */
  readonly admit?: (bytes: number) => Promise<void>;
}

/** What the consumers of a photo need; `full` as soon as one does. */
export type Needs = readonly PixelNeed[] | 'full';

/** No format but PNG can state more; it keeps buffers that follow one side small. */
const MAX_SIDE = 65_535;

/**
 * Decodes the first frame of a JPEG, PNG, WebP, GIF or AVIF to upright 8-bit RGB. The content decides what it is, and its
 * size is checked before any pixel is decoded. A JPEG may come shrunk if `need` and the settings allow it.
 * @throws RunnerError `FILE_EMPTY` | `IMAGE_UNSUPPORTED` | `IMAGE_TOO_LARGE` | `IMAGE_DECODE` | `IMAGE_TIMEOUT`
 */
export async function decodePhoto(file: Uint8Array, options: DecodeOptions): Promise<Photo> {
  const { settings, need = 'full', reducedNeed = 'full' } = options;
  if (file.byteLength === 0) throw new RunnerError('FILE_EMPTY', 'Expected a picture, got 0 bytes.');
  const { kind, name } = sniff(file);
  if (kind === 'other') throw unsupportedPicture(name);
  const bytes = kind === 'webp' ? firstWebpFrame(file) : file;
  try {
    const header = await readHeader(bytes);
    checkSize(header, settings.maxPixels);
    if (kind === 'jpeg') checkJpegScans(bytes);
    const plan = planDecoding(kind, header, settings, need);
    await options.admit?.(wantedBytes(plan));
    const photo = await decodeKnown(bytes, kind, plan, settings);
    if (plan.mayFollowInFull) return { ...photo, inFull: () => decodePhoto(file, { settings }) };
    const mayReduce = plan.mayShrink && need === 'full' && reducedNeed !== 'full';
    return mayReduce ? withReduced(photo, reducedNeed) : photo;
  } catch (error) {
    throw explainFailure(error, kind, settings);
  }
}

/** The needs of several consumers of one photo. */
export function mergeNeeds(needs: readonly (PixelNeed | 'full')[]): Needs {
  const bounded = needs.filter((need) => need !== 'full');
  return bounded.length === 0 || bounded.length < needs.length ? 'full' : bounded;
}

/** How a picture will be decoded. */
interface DecodingPlan {
  /** As stored; the orientation is the one that will be applied, 1 where none is. */
  readonly stored: StoredSize;
  readonly isCmyk: boolean;
  /** sharp can't shrink CMYK on load without converting it first. */
  readonly mayShrink: boolean;
  readonly shrink: Shrink | undefined;
  /** Whether it is shrunk and a consumer may want it in full later. */
  readonly mayFollowInFull: boolean;
}

function planDecoding(
  kind: DecodableKind,
  { width, height, orientation, isCmyk }: PictureHeader,
  settings: DecodeSettings,
  need: Needs,
): DecodingPlan {
  const stored = { width, height, orientation: settings.orientation === 'apply' ? validOrientation(orientation) : 1 };
  const mayShrink = settings.resample === 'fast' && kind === 'jpeg' && !isCmyk;
  const needs = mayShrink && need !== 'full' ? need : [];
  const shrink = planShrink(stored, needs);
  const mayFollowInFull = shrink !== undefined && needs.some(({ orFull }) => orFull === true);
  return { stored, isCmyk, mayShrink, shrink, mayFollowInFull };
}

function wantedBytes(plan: DecodingPlan): number {
  return decodedBytes(plan) + (plan.mayFollowInFull ? decodedBytes({ ...plan, shrink: undefined }) : 0);
}

/** What decoding takes at most: the pixels, and another copy where they are turned or converted. */
function decodedBytes({ stored, isCmyk, shrink }: DecodingPlan): number {
  const { width, height } = shrink ?? stored;
  const pixels = width * height;
  if (isCmyk) return (4 + 3) * pixels;
  return 3 * pixels * (stored.orientation === 1 ? 1 : 2);
}

async function decodeKnown(
  bytes: Uint8Array,
  kind: DecodableKind,
  { stored, isCmyk, shrink }: DecodingPlan,
  { orientation, maxPixels, decodeTimeoutMs }: DecodeSettings,
): Promise<Photo> {
  const { data, width, height } = await decodePixels({
    ...(kind === 'jpeg' ? completeJpeg(bytes) : { bytes, failOn: 'error' }),
    isCmyk,
    autoOrient: orientation === 'apply',
    maxPixels,
    timeoutMs: decodeTimeoutMs,
    ...(shrink === undefined ? {} : { size: shrink }),
  });
  const original = shrink === undefined ? { width, height } : uprightSize(stored);
  return {
    width,
    height,
    data: isCmyk ? cmykToRgb(data) : data,
    originalWidth: original.width,
    originalHeight: original.height,
    ...(shrink === undefined ? {} : { region: shrink.region }),
  };
}

function withReduced(photo: Photo, needs: readonly PixelNeed[]): Photo {
  const times = planHalvings(photo, needs);
  return times === 0 ? photo : { ...photo, reduced: halvePhoto(photo, times) };
}

function checkSize({ width, height }: PictureHeader, maxPixels: number): void {
  if (width * height <= maxPixels && Math.max(width, height) <= MAX_SIDE) return;
  throw new RunnerError(
    'IMAGE_TOO_LARGE',
    `Expected at most ${maxPixels} pixels and sides of at most ${MAX_SIDE}, got ${width} x ${height}; raise maxPixels or shrink the picture.`,
  );
}

/** Values other than 1 to 8 mean nothing and are ignored. */
function validOrientation(orientation: number | undefined): number {
  return orientation !== undefined && orientation >= 1 && orientation <= 8 ? orientation : 1;
}

/**
 * A JPEG that ends early is refused, as Pillow does, but a lost end marker alone is no harm. libvips can't tell the two
 * apart, unless the marker is put back and every warning is taken for an error.
 */
function completeJpeg(bytes: Uint8Array): { bytes: Uint8Array; failOn: 'error' | 'warning' } {
  if (hasJpegEnd(bytes)) return { bytes, failOn: 'error' };
  return { bytes: Buffer.concat([bytes, JPEG_END]), failOn: 'warning' };
}
